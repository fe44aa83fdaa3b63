/** What a local runtime is made from: the spec's values read into one typed form, and the normaliser. */
import { isAbsolute, resolve } from "node:path";
import { SandkeepError } from "../../errors.ts";
import type { Json, JsonObject } from "../../model/json.ts";
import { isList } from "../../model/json.ts";
import type { PathFacts } from "../driver.ts";

export type Isolation = "none" | "bubblewrap";

export interface Bind {
  readonly source: string;
  readonly target: string;
  readonly mode: "ro" | "rw";
}

/** How the commands of a runtime are run. */
export interface LocalSpec {
  readonly workspace: {
    /** Absent only where the workspace is the runtime's own. */
    readonly source?: string;
    readonly access: "none" | "ro" | "rw";
    readonly target: string;
    readonly provider: "link" | "bind" | "own";
  };
  /** The workspace is the runtime's stage, and `workspace.source` what that was made from. */
  readonly staged: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly isolation: Isolation;
  readonly home: "own" | "user";
  readonly network: "none" | "host";
  readonly binds: readonly Bind[];
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at a dotted path; undefined when any part of it is absent. */
export function valueAt(values: JsonObject, path: string): Json | undefined {
  let at: Json | undefined = values;
  for (const key of path.split(".")) {
    if (!isObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

/** Reads field values by path; anything that could not be carried out safely is refused, never guessed. */
export function readLocalSpec(at: (path: string) => Json | undefined): LocalSpec {
  const isolation = oneOf(at, "local.isolation", ["none", "bubblewrap"]);
  const provider = oneOf(at, "workspace.provider", ["link", "bind", "own"]);
  const spec: LocalSpec = {
    workspace: {
      ...(provider === "own" ? {} : { source: absolute(at, "workspace.source") }),
      access: oneOf(at, "workspace.access", ["none", "ro", "rw"]),
      target: absolute(at, "workspace.target"),
      provider,
    },
    staged: at("writes") === "staged",
    env: strings(at, "env"),
    isolation,
    home: oneOf(at, "local.home", ["own", "user"]),
    network: oneOf(at, "local.network", ["none", "host"]),
    binds: readBinds(at("local.binds")),
  };
  if (isolation === "none") requireNothingEnforced(spec);
  return spec;
}

type At = (path: string) => Json | undefined;

/** Fails closed: a promise that only a sandbox can keep is not broken silently. */
function requireNothingEnforced(spec: LocalSpec): void {
  if (spec.workspace.access === "ro") throw unusable("workspace.access", '"rw" or "none" without isolation');
  if (spec.network === "none") throw unusable("local.network", '"host" without isolation');
  if (spec.binds.length > 0) throw unusable("local.binds", "none without isolation");
}

function oneOf<const T extends string>(at: At, name: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === at(name));
  if (found === undefined) throw unusable(name, `one of ${allowed.join(", ")}`);
  return found;
}

function absolute(at: At, name: string): string {
  const value = at(name);
  if (typeof value !== "string" || !isAbsolute(value) || value.includes("\0")) {
    throw unusable(name, "an absolute path");
  }
  return value;
}

function strings(at: At, name: string): Record<string, string> {
  const value = at(name);
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw unusable(name, "a table of strings");
  const found: Record<string, string> = {};
  for (const [key, each] of Object.entries(value)) {
    if (typeof each !== "string" || key === "" || /[=\0]/.test(key) || each.includes("\0")) {
      throw unusable(name, "a table of strings");
    }
    found[key] = each;
  }
  return found;
}

function readBinds(value: Json | undefined): readonly Bind[] {
  if (value === undefined || value === null) return [];
  if (!isList(value)) throw unusable("local.binds", "a list of {source, target, mode}");
  return value.map((each) => {
    const bind = toBind(each);
    if (bind === undefined) throw unusable("local.binds", "a list of {source, target, mode}");
    return bind;
  });
}

function toBind(value: Json): Bind | undefined {
  if (!isObject(value)) return undefined;
  const { source, target, mode } = value;
  if (typeof source !== "string" || typeof target !== "string" || !isAbsolute(target)) return undefined;
  if (mode !== "ro" && mode !== "rw") return undefined;
  return { source, target, mode };
}

function unusable(name: string, expected: string): SandkeepError {
  return new SandkeepError(`the runtime's ${name} is not usable: expected ${expected}`, {
    code: "LOCAL_SPEC",
    blame: "backend",
    hint: "`sandkeep apply` brings the manifest in line again; if it does not, recreate the runtime",
  });
}

/**
 * The frozen normal form of `[sandbox.local]`: every default filled, binds real, sorted by target.
 * Without isolation the network is always the host's, so that is what the form says.
 */
export function normaliseOptions(options: JsonObject, facts: PathFacts): JsonObject {
  const isolation = options["isolation"] === "bubblewrap" ? "bubblewrap" : "none";
  const binds = isolation === "none" ? [] : readBinds(options["binds"]);
  const real = new Map(
    binds.map((bind) => [
      bind.target,
      { source: facts.realPath(resolve(facts.root, bind.source)), target: bind.target, mode: bind.mode },
    ]),
  );
  return {
    isolation,
    home: options["home"] === "user" ? "user" : "own",
    network: isolation === "none" || options["network"] === "host" ? "host" : "none",
    binds: [...real.values()].toSorted((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0)),
  };
}
