import type { Json, JsonObject } from "../model/json.ts";

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Paths are few and are asked for again and again: those of the field tables, for each runtime. */
const known = new Map<string, readonly string[]>();

function partsOf(path: string): readonly string[] {
  const parts = known.get(path) ?? path.split(".");
  known.set(path, parts);
  return parts;
}

/** The value at a dotted path (`docker.memory`), or undefined. */
export function getPath(object: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = object;
  for (const part of partsOf(path)) {
    if (!isJsonObject(value)) return undefined;
    value = value[part];
  }
  return value;
}

/** Deep equality of JSON values; an absent member and an undefined one are the same. */
export function equalJson(left: Json | undefined, right: Json | undefined): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((each, index) => equalJson(each, right[index]));
  }
  if (!isJsonObject(left) || !isJsonObject(right)) return false;
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  for (const key of keys) if (!equalJson(left[key], right[key])) return false;
  return true;
}
