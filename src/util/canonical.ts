import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import type { Json } from "../model/json.ts";

/** The library's types claim a default export that its CommonJS code does not have. */
const require = createRequire(import.meta.url);
const canonicalize: (value: Json) => string | undefined = require("canonicalize");

/** RFC 8785 text of a JSON value: equal values, equal text. */
export function canonicalJson(value: Json): string {
  return canonicalize(value) ?? "null";
}

/** Lowercase hex sha256 of a text in UTF-8. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
