import type { Json, JsonObject } from "../../model/json.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import { OWN_NETWORK } from "../../model/network.ts";
import type { Spec } from "../../model/spec.ts";
import { getPath, isJsonObject } from "../../util/json-path.ts";
import { UNOBSERVABLE, memoryFields } from "./fields.ts";

/** The section's normal form: defaults filled, keys in order, nothing absent spelled out. */
export function normaliseOptions(options: JsonObject): JsonObject {
  const filled: JsonObject = { network: "none", ...options };
  const kept = Object.entries(filled).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Field-table values a fresh runtime of this spec shows. */
export function observableFields(spec: Spec): Record<string, Json> {
  const fields: Record<string, Json> = {};
  for (const { path } of memoryFields("process")) {
    const value = getPath(spec.values, path);
    if (value !== undefined && !UNOBSERVABLE.includes(path)) fields[path] = value;
  }
  return fields;
}

export function textAt(spec: Spec, path: string): string | undefined {
  const value = getPath(spec.values, path);
  return typeof value === "string" ? value : undefined;
}

export function strings(value: Json | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  if (!isJsonObject(value)) return found;
  for (const [key, each] of Object.entries(value)) if (typeof each === "string") found[key] = each;
  return found;
}

/** `memory.command`: what the runtime itself runs; absent means that it is kept alive. */
export function mainCommand(value: Json | undefined): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.filter((each) => typeof each === "string");
}

/** Of those commands the one that does no more than keep it alive, and has nothing to end in order. */
export function isKeeper(value: Json | undefined): boolean {
  return mainCommand(value)?.join(" ") === "sleep infinity";
}

interface Made {
  readonly spec: Spec | undefined;
  readonly decoded: RuntimeLabels | undefined;
}

/** The engine name of the network an object was made for. */
export function networkOf({ spec, decoded }: Made): string | undefined {
  const said = spec === undefined ? undefined : getPath(spec.values, "memory.network");
  if (typeof said !== "string") return undefined;
  return said === OWN_NETWORK ? `${decoded?.name ?? ""}-${OWN_NETWORK}` : said;
}
