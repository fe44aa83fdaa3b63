import type { FieldRow } from "../model/fields.ts";
import type { Json } from "../model/json.ts";
import type { Spec, SpecHash } from "../model/spec.ts";
import { canonicalJson, sha256 } from "../util/canonical.ts";
import { equalJson, getPath } from "../util/json-path.ts";

/** Raised only when the meaning of an existing field changes; labels of an older version are recomputed by it first. */
export const HASH_VERSION = 1;

/**
 * The spec hash, version 1, frozen: sha256 over the canonical JSON of `{kind, backend, fields: {path: value}}` for the
 * hashed rows of the driver's field table. Absent values are left out, and so are fields younger than version 1
 * at their introduction default, so that an upgrade of sandkeep recreates nothing.
 */
export function specHash(spec: Spec, fields: readonly FieldRow[]): SpecHash {
  const hashed: Record<string, Json> = {};
  for (const row of fields) {
    if (!row.hashed) continue;
    const value = getPath(spec.values, row.path);
    if (value === undefined) continue;
    if (row.introduced_default !== undefined && equalJson(value, row.introduced_default)) continue;
    hashed[row.path] = value;
  }
  const text = canonicalJson({ kind: spec.kind, backend: spec.backend, fields: hashed });
  return `v${HASH_VERSION}:sha256:${sha256(text)}`;
}
