import type { Json, JsonObject } from "../model/json.ts";
import { isList, isTable } from "../model/json.ts";
import { SECTIONS, sectionDefaults } from "./defaults.ts";
import { canonicalTarget } from "./paths.ts";

/** The list that grows instead of being replaced. */
export const BINDS = "binds";

/** Tables of names that people choose: they merge by name, and what a name holds is one whole. */
const NAMED = ["env", "secrets", "ulimits", "labels"] as const;
export const NAMED_TABLES: ReadonlySet<string> = new Set(NAMED);

/** The table named after a backend; empty when it is not written, or when the name is no backend's (`prune`). */
export function sectionOf(sandbox: JsonObject, backend: string): JsonObject {
  const section = Object.hasOwn(SECTIONS, backend) ? sandbox[backend] : undefined;
  return isTable(section) ? section : {};
}

/** The section of a backend as its driver gets it: built-in, then fleet, then agent. */
export function mergeSection(backend: string, fleet: JsonObject, agent: JsonObject): JsonObject {
  const { values, when = [] } = sectionDefaults(backend);
  const said = layer(layer({}, fleet), agent);
  const known = layer(values, said);
  const further = when
    .filter(({ has }) => Object.entries(has).every(([key, value]) => known[key] === value))
    .map((row) => row.values);
  return [...further, said].reduce(layer, values);
}

/** One table over another: tables merge by key, `binds` concatenate, everything else is replaced. */
function layer(base: JsonObject, over: JsonObject): JsonObject {
  const merged: Record<string, Json | undefined> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const below = base[key];
    if (key === BINDS && isList(value)) merged[key] = joinBinds(isList(below) ? below : [], value);
    else if (isTable(below) && isTable(value)) merged[key] = { ...below, ...value };
    else merged[key] = value;
  }
  return merged;
}

/** The last bind of a target wins, in the place where the target first appeared. */
function joinBinds(base: readonly Json[], over: readonly Json[]): readonly Json[] {
  const byTarget = new Map<string, Json>();
  for (const bind of [...base, ...over]) byTarget.set(bindTarget(bind) ?? JSON.stringify(bind), bind);
  return [...byTarget.values()];
}

/** Where a bind appears in the runtime, in one spelling; undefined for what is not a bind. */
export function bindTarget(bind: Json): string | undefined {
  const target = isTable(bind) ? bind["target"] : undefined;
  return typeof target === "string" ? canonicalTarget(target) : undefined;
}
