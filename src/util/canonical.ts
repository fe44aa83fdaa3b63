import { createHash } from "node:crypto";
import library from "canonicalize";
import type { Json } from "../model/json.ts";

type Canonicalize = (value: Json) => string | undefined;

/** The library's types claim a `default` that its CommonJS code does not have: the function is the whole module. */
function isFunction(value: unknown): value is Canonicalize {
  return typeof value === "function";
}

function canonicalizeOf(module: unknown): Canonicalize {
  if (isFunction(module)) return module;
  throw new Error("canonicalize is not the function it was");
}

const canonicalize = canonicalizeOf(library);

/** RFC 8785 text of a JSON value: equal values, equal text. */
export function canonicalJson(value: Json): string {
  return canonicalize(value) ?? "null";
}

/** Lowercase hex sha256 of a text in UTF-8. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
