import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { openStage } from "../../src/stage/open.ts";
import type { Stage } from "../../src/stage/stage.ts";
import type { StageRules } from "../../src/stage/rules.ts";

// Trees of files for the laws of staged writes: made, edited and looked at without any code of src/stage.

/**
 * A workspace and a state directory of their own, where fsync costs nothing; gone when disposed. `SANDKEEP_STAGE_ROOM`
 * names another place: the laws hold on any file system, also on one that shares contents.
 */
export interface Scene extends Disposable {
  readonly base: string;
  readonly workspace: string;
  readonly stateDir: string;
}

export function scene(): Scene {
  const room = process.env["SANDKEEP_STAGE_ROOM"] ?? (existsSync("/dev/shm") ? "/dev/shm" : tmpdir());
  const base = realpathSync(mkdtempSync(join(room, "sandkeep-stage-")));
  const workspace = join(base, "workspace");
  mkdirSync(workspace);
  return {
    base,
    workspace,
    stateDir: join(base, "state"),
    [Symbol.dispose]: () => rmSync(base, { recursive: true, force: true, maxRetries: 5 }),
  };
}

const OWNER = { fleet: "team", address: "agent/work" } as const;

export async function staged(on: Scene, now = Date.now()): Promise<Stage> {
  const id = randomBytes(8).toString("hex");
  return await openStage({ ...OWNER, stateDir: on.stateDir, source: on.workspace, id, now });
}

export const NO_RULES: StageRules = {
  denial: () => undefined,
  isAutomatic: () => false,
  automatic: false,
  max_bytes: "unlimited",
  git_ignored: "include",
  place: (key) => ({ key: `stage.${key}`, file: null, line: null }),
};

/** One entry; names are bytes, written as latin1. */
export type Made =
  | { readonly kind: "file"; readonly bytes: string; readonly mode: number }
  | { readonly kind: "folder"; readonly mode: number }
  | { readonly kind: "link"; readonly target: string };

export type Files = ReadonlyMap<string, Made>;

const bytes = (path: string): Buffer => Buffer.from(path, "latin1");
const at = (root: string, path: string): Buffer => Buffer.concat([Buffer.from(`${root}/`), bytes(path)]);

/** Everything below a folder, as it is. */
export function filesOf(root: string): Files {
  const found = new Map<string, Made>();
  const go = (path: string): void => {
    for (const name of readdirSync(path === "" ? root : at(root, path), { encoding: "latin1" }).toSorted()) {
      const below = path === "" ? name : `${path}/${name}`;
      const stat = lstatSync(at(root, below));
      const mode = stat.mode & 0o7777;
      if (stat.isSymbolicLink())
        found.set(below, { kind: "link", target: readlinkSync(at(root, below), { encoding: "latin1" }) });
      else if (stat.isDirectory()) {
        found.set(below, { kind: "folder", mode });
        go(below);
      } else if (stat.isFile())
        found.set(below, { kind: "file", mode, bytes: readFileSync(at(root, below)).toString("latin1") });
    }
  };
  go("");
  return found;
}

export function put(root: string, path: string, made: Made): void {
  const place = at(root, path);
  const parts = path.split("/").slice(0, -1);
  for (let n = 1; n <= parts.length; n += 1) {
    const above = at(root, parts.slice(0, n).join("/"));
    const stat = lstatSync(above, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) continue;
    rmSync(above, { force: true });
    mkdirSync(above);
  }
  rmSync(place, { recursive: true, force: true });
  if (made.kind === "link") symlinkSync(bytes(made.target), place);
  else if (made.kind === "folder") {
    mkdirSync(place);
    chmodSync(place, made.mode);
  } else {
    writeFileSync(place, bytes(made.bytes));
    chmodSync(place, made.mode);
  }
}

export function remove(root: string, path: string): void {
  rmSync(at(root, path), { recursive: true, force: true });
}

/** Names that file systems allow and people never expect. */
const NAMES = [
  "a",
  "b",
  "docs",
  "src",
  ".git",
  ".gitignore",
  "HEAD",
  "node_modules",
  "with space",
  "-dash",
  "new\nline",
  "tab\there",
  'quote"',
  "star*",
  "b[1]",
  "\\back",
  "r\u00e9sum\u00e9",
  "\xff\xfe",
  "Z".repeat(200),
];
const name = fc.constantFrom(...NAMES);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const contents = fc.oneof(
  fc.constantFrom("", "one\n", "one\ntwo\nthree\n", "crlf\r\nlines\r\n", "no end", "\0binary\xff\0", "two\n"),
  fc.uint8Array({ maxLength: 300 }).map((all) => Buffer.from(all).toString("latin1")),
);
const target = fc.constantFrom("a", "docs/a", "../a", "missing", "b[1]", "\xff\xfe", "./src");
const made: fc.Arbitrary<Made> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("file" as const),
      bytes: contents,
      mode: fc.constantFrom(0o644, 0o755, 0o600, 0o444, 0o700),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("link" as const), target }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("folder" as const),
      mode: fc.constantFrom(0o755, 0o700, 0o775),
    }),
  },
);

export type Edit =
  | { readonly what: "put"; readonly path: string; readonly made: Made }
  /** The chosen one of what is there, as a part of the whole. */
  | { readonly what: "remove" | "mode" | "rewrite" | "again"; readonly which: number; readonly made: Made }
  | { readonly what: "move"; readonly which: number; readonly to: string };

const which = fc.double({ min: 0, max: 0.999, noNaN: true });

export const trees: fc.Arbitrary<readonly (readonly [string, Made])[]> = fc.array(fc.tuple(path, made), {
  maxLength: 14,
});

export const edits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ what: fc.constant("put" as const), path, made }) },
    {
      weight: 6,
      arbitrary: fc.record({
        what: fc.constantFrom("remove" as const, "mode" as const, "rewrite" as const, "again" as const),
        which,
        made,
      }),
    },
    { weight: 2, arbitrary: fc.record({ what: fc.constant("move" as const), which, to: path }) },
  ),
  { maxLength: 8 },
);

export function makeAll(root: string, all: readonly (readonly [string, Made])[]): void {
  for (const [each, what] of all) put(root, each, what);
}

export function edit(root: string, all: readonly Edit[]): void {
  for (const each of all) {
    if (each.what === "put") {
      put(root, each.path, each.made);
      continue;
    }
    const there = [...filesOf(root)];
    const [chosen, now] = there[Math.floor(each.which * there.length)] ?? [];
    if (chosen === undefined || now === undefined) continue;
    if (each.what === "remove") remove(root, chosen);
    else if (each.what === "move") {
      if (now.kind === "folder") continue;
      remove(root, chosen);
      put(root, each.to, now);
    } else if (each.what === "again") put(root, chosen, now.kind === "folder" ? each.made : now);
    else if (each.what === "mode" && now.kind !== "link") chmodSync(at(root, chosen), 0o750);
    else if (now.kind === "file" && each.made.kind === "file")
      writeFileSync(at(root, chosen), bytes(each.made.bytes));
  }
}
