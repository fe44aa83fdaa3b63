import { posix } from "node:path";
import { COMPUTED, importsOf, type SourceFile } from "./source.ts";

// The import directions of the house. A room is a folder of src (or one of its few single files), `controllers` and
// `schemas`. What each may import is data; everything else is a violation.

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

/** Bottom to top: a room imports itself and what stands in earlier rows. Rooms of one row do not know each other. */
const FLOORS: readonly (readonly string[])[] = [
  ["model", "util", "errors"],
  ["state"],
  ["config"],
  ["resolve"],
  ["remote", "registry"],
  ["driver contract", "driver registry"],
  ["desire"],
  ["policy"],
  ["observe"],
  ["diff"],
  ["plan"],
  ["apply"],
  ["reconcile"],
  ["runs", "stage"],
  ["hosts"],
  ["loop"],
  ["controllers"],
  ["serve"],
  ["cli"],
];

const DRIVER_MAY_IMPORT = ["model", "util", "errors", "remote", "registry", "driver contract"];

/** Rooms whose imports the floors do not describe. */
const SPECIAL: Readonly<Record<string, readonly string[]>> = {
  model: [],
  errors: ["model"],
  util: ["model", "errors"],
  remote: ["model", "util", "errors"],
  registry: ["model", "util", "errors"],
  render: ["model", "util"],
  "driver contract": ["model", "util", "errors"],
  "driver registry": ["model", "util", "errors", "driver contract"],
};

/** `render` is for those who talk to people. */
const RENDER_GUESTS = ["serve", "cli", "index"];

/** Stages that get clock, environment, randomness and I/O as arguments. */
export const PURE_ROOMS = ["model", "desire", "policy", "diff", "plan", "render"];
const IMPURE_MODULES =
  /^node:(?:fs|child_process|net|http|https|http2|tls|dgram|dns|os|process|worker_threads|timers)(?:\/|$)/;

/** Libraries with one lawful home. Any other library still may live in one room only. */
const HOMES: Readonly<Record<string, string>> = {
  ssh2: "remote",
  commander: "cli",
  listr2: "cli",
  "smol-toml": "config",
  json5: "config",
  fastify: "serve",
  "prom-client": "serve",
};
/** Plain tools whose types say nothing about a backend. */
const AT_HOME_EVERYWHERE = ["zod", "p-queue", "p-retry", "write-file-atomic", "tar"];

/** `driver docker` for src/drivers/docker/…; undefined for a file in no known room. */
export function roomOf(path: string): string | undefined {
  const [top, second = "", third] = path.split("/");
  if (top === "controllers" || top === "schemas") return top;
  if (top !== "src") return undefined;
  if (second === "drivers") {
    if (path === "src/drivers/driver.ts" || path === "src/drivers/ephemeral.ts") return "driver contract";
    if (path === "src/drivers/registry.ts") return "driver registry";
    return third === undefined || third.endsWith(".ts") ? undefined : `driver ${third}`;
  }
  if (third === undefined) {
    const name = second.replace(/\.ts$/, "");
    return ["errors", "reconcile", "index"].includes(name) ? name : undefined;
  }
  const known = second === "render" || FLOORS.some((floor) => floor.includes(second));
  return known ? second : undefined;
}

export function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  if (to.startsWith("driver ") && !to.startsWith("driver contract") && !to.startsWith("driver registry"))
    return false;
  if (to === "index" || to === "schemas") return false;
  if (to === "render") return RENDER_GUESTS.includes(from);
  const special = SPECIAL[from];
  if (special !== undefined) return special.includes(to);
  if (from.startsWith("driver ")) return DRIVER_MAY_IMPORT.includes(to);
  if (from === "index" || from === "schemas") return to !== "cli";
  return floorOf(to) < floorOf(from);
}

function floorOf(room: string): number {
  return FLOORS.findIndex((floor) => floor.includes(room));
}

export function checkImports(files: readonly SourceFile[]): readonly Violation[] {
  return [...files.flatMap(checkFile), ...checkLibraryHomes(files)];
}

function checkFile(file: SourceFile): readonly Violation[] {
  const room = roomOf(file.path);
  if (room === undefined) return [{ path: file.path, line: 1, what: "is in no room of the house" }];
  return importsOf(file).flatMap(({ specifier, line, dynamic }) => {
    const what = judgeImport(file.path, room, specifier, dynamic);
    return what === undefined ? [] : [{ path: file.path, line, what }];
  });
}

function judgeImport(path: string, room: string, specifier: string, dynamic: boolean): string | undefined {
  if (specifier === COMPUTED) return "import() of a computed path";
  if (specifier.startsWith(".")) return judgeRelative(path, room, specifier, dynamic);
  if (specifier.startsWith("node:")) {
    if (room === "model") return "model imports nothing but zod";
    return PURE_ROOMS.includes(room) && IMPURE_MODULES.test(specifier)
      ? `${room} is pure and must not import ${specifier}`
      : undefined;
  }
  const library = libraryOf(specifier);
  if (room === "model" && library !== "zod") return "model imports nothing but zod";
  const home = HOMES[library];
  return home !== undefined && home !== room
    ? `${library} is imported outside its home (${home})`
    : undefined;
}

function judgeRelative(path: string, room: string, specifier: string, dynamic: boolean): string | undefined {
  if (!/\.(?:ts|json)$/.test(specifier)) return `relative import without its .ts extension: ${specifier}`;
  const target = posix.normalize(posix.join(posix.dirname(path), specifier));
  const to = roomOf(target);
  if (to === undefined) return `imports ${target}, which is in no room of the house`;
  if (room === "driver registry" && isDriver(to)) {
    return dynamic ? undefined : "the registry names drivers by import() only";
  }
  return mayImport(room, to) ? undefined : `${room} must not import ${to} (${target})`;
}

function isDriver(room: string): boolean {
  return room.startsWith("driver ") && room !== "driver contract" && room !== "driver registry";
}

function libraryOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function checkLibraryHomes(files: readonly SourceFile[]): readonly Violation[] {
  const firstUse = new Map<string, { readonly room: string; readonly path: string }>();
  const violations: Violation[] = [];
  for (const file of files) {
    const room = roomOf(file.path);
    if (room === undefined || room === "schemas") continue;
    for (const { specifier, line } of importsOf(file)) {
      if (/^(?:\.|node:|<)/.test(specifier)) continue;
      const library = libraryOf(specifier);
      if (AT_HOME_EVERYWHERE.includes(library) || HOMES[library] !== undefined) continue;
      const first = firstUse.get(library);
      if (first === undefined) firstUse.set(library, { room, path: file.path });
      else if (first.room !== room) {
        violations.push({ path: file.path, line, what: `${library} already lives in ${first.path}` });
      }
    }
  }
  return violations;
}
