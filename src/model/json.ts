/** Any JSON value; `undefined` members are treated as absent. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

export function isTable(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Array.isArray does not narrow readonly arrays away from the other branches. */
export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
