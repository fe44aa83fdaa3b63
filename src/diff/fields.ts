import type { DesiredRuntime } from "../desire/desire.ts";
import { compareFingerprints } from "../desire/fingerprint.ts";
import { HASH_VERSION } from "../desire/hash.ts";
import type { ImageState } from "../drivers/driver.ts";
import type { FieldRow } from "../model/fields.ts";
import type { Json } from "../model/json.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import type { DriftOrigin } from "../model/plan.ts";
import { MASKED } from "../model/plan-format.ts";
import type { ImageFact } from "../observe/images.ts";
import { isFor } from "../model/secret-use.ts";
import type { ImageIdentity, Spec } from "../model/spec.ts";
import { formatKeyPath } from "../model/source.ts";
import { equalJson, getPath, isJsonObject } from "../util/json-path.ts";
import type { Difference } from "./verdict.ts";

/**
 * Every field in which a runtime is not as its spec says, in the field table's order. `updates` is what was last set in
 * place: it tells whose a difference is, and never whether there is one.
 */
export function compareFields(
  desired: DesiredRuntime,
  current: ObservedRuntime,
  rows: readonly FieldRow[],
  updates: Readonly<Record<string, Json>> = {},
): Difference[] {
  const differences: Difference[] = [];
  const sameHash = current.labels.spec_hash === desired.spec_hash;
  // A hash of another algorithm version says nothing either way; then only what can be observed counts.
  const comparable = current.labels.spec_hash.startsWith(`v${HASH_VERSION}:`);
  for (const row of rows) {
    const after = getPath(desired.spec.values, row.path);
    const seen = current.fields[row.path];
    const seenDiffers = seen !== undefined && !shows(seen, after);
    if (row.hashed && sameHash && !seenDiffers) continue;
    // A field younger than the runtime stood at its introduction default when that was made.
    const applied = getPath(current.labels.spec.values, row.path) ?? row.introduced_default;
    const appliedDiffers = !equalJson(applied, after ?? row.introduced_default);
    const differs = row.hashed
      ? seenDiffers || (comparable && appliedDiffers)
      : seen === undefined
        ? appliedDiffers
        : seenDiffers;
    if (!differs) continue;
    const before = seenDiffers ? seen : applied;
    const kind = row.classify(before, after);
    if (kind === "ignored") continue;
    const last = seenDiffers && Object.hasOwn(updates, row.path) ? (updates[row.path] ?? undefined) : applied;
    const origin: DriftOrigin = equalJson(last, after ?? row.introduced_default) ? "live" : "config";
    differences.push(...wordRow(desired, row, kind, origin, before, after ?? row.introduced_default));
  }
  return differences;
}

/** A field that a runtime was asked to have and does not have. */
export interface Unenforced {
  readonly path: string;
  readonly asked: Json;
  readonly found: Json;
  /** Why the engine cannot have it, where it says so. */
  readonly why?: string;
}

/** Where a runtime is not, as the engine shows it, what it was asked to be. */
export function unenforced(spec: Spec, current: ObservedRuntime, rows: readonly FieldRow[]): Unenforced[] {
  return rows.flatMap((row) => {
    const seen = current.fields[row.path];
    const asked = getPath(spec.values, row.path);
    const why = current.unsupported?.[row.path];
    if (why !== undefined && isLimit(spec, row))
      return [{ path: row.path, asked: mask(row, asked), found: null, why }];
    if (seen === undefined || shows(seen, asked) || row.classify(seen, asked) === "ignored") return [];
    return [{ path: row.path, asked: mask(row, asked), found: mask(row, seen) }];
  });
}

/** Whether more was asked than an engine without that limit keeps: none at all it can keep, and what only follows. */
export function isLimit({ values }: Spec, { path, implied }: FieldRow): boolean {
  const asked = getPath(values, path);
  if (asked === undefined || asked === "unlimited" || asked === "unconfined") return false;
  const section = getPath(values, path.slice(0, path.lastIndexOf(".")));
  return implied === undefined || !isJsonObject(section) || !equalJson(asked, implied(section) ?? null);
}

/** Both sides tell "nothing" in their own ways: null, an empty list or an empty table equals an absent value. */
function shows(seen: Json, asked: Json | undefined): boolean {
  return equalJson(seen, asked) || (isNothing(seen) && isNothing(asked));
}

function isNothing(value: Json | undefined): boolean {
  return (
    value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0)
  );
}

/** Tables are told entry by entry, so that a person sees the one key that changed. */
function wordRow(
  desired: DesiredRuntime,
  row: FieldRow,
  kind: "recreate" | "live",
  origin: DriftOrigin,
  before: Json | undefined,
  after: Json | undefined,
): Difference[] {
  const word = (path: string, from: Json | undefined, to: Json | undefined): Difference => {
    const { source, key, layer } = desired.provenance(path);
    return {
      path,
      field: row.path,
      class: kind,
      before: mask(row, from),
      after: mask(row, to),
      source: source ?? null,
      key: layer === "built-in" ? null : formatKeyPath(key),
      why: row.why,
      origin,
    };
  };
  const entries = isJsonObject(before ?? null) || isJsonObject(after ?? null);
  if (!entries) return [word(row.path, before, after)];
  const from = isJsonObject(before) ? before : {};
  const to = isJsonObject(after) ? after : {};
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].toSorted();
  return keys
    .filter((key) => !equalJson(from[key], to[key]))
    .map((key) => word(`${row.path}.${key}`, from[key], to[key]));
}

function mask(row: FieldRow, value: Json | undefined): Json {
  if (value === undefined) return null;
  return row.sensitive === true ? MASKED : value;
}

/**
 * A digest that moved under an unchanged reference. Unlike kinds of digest are never compared: what the engine shows is
 * compared with what it would use now, and for an image it lacks yet, the recorded identity with the registry's.
 */
export function compareImage(
  desired: DesiredRuntime,
  current: ObservedRuntime,
  fact: ImageFact | undefined,
): Difference[] {
  const moved = fact === undefined ? undefined : movedImage(current, fact.state);
  const ref = current.labels.image?.ref ?? current.image?.ref;
  if (fact === undefined || moved === undefined || ref !== fact.ref) return [];
  const { before, after } = moved;
  const { source, key, layer } = desired.provenance(`${desired.backend}.image`);
  return [
    {
      path: "image",
      field: "image",
      class: "recreate",
      before: before.digest,
      after: after.digest,
      source: source ?? null,
      key: layer === "built-in" ? null : formatKeyPath(key),
      ...imageCause(current, fact.ref),
    },
  ];
}

/** A runtime that is not of the image it was made from was put there by somebody; the tag moved for all others. */
function imageCause({ image, labels }: ObservedRuntime, ref: string): Pick<Difference, "why" | "origin"> {
  const swapped = likePairs([labels.image], [image]).some(
    ({ before, after }) => before.digest !== after.digest,
  );
  return swapped
    ? { why: "it was made again from another image", origin: "live" }
    : { why: `${ref} is another image now`, origin: "image" };
}

interface MovedImage {
  readonly before: ImageIdentity;
  readonly after: ImageIdentity;
}

function movedImage(current: ObservedRuntime, state: ImageState): MovedImage | undefined {
  if (state.status === "unknown" || (state.unresolved !== undefined && state.from === undefined))
    return undefined;
  const { image, from } = state;
  const recorded = current.labels.image;
  if (state.status === "present") {
    const [moved] = likePairs([current.image ?? recorded], [image]);
    return moved?.before.digest === moved?.after.digest ? undefined : moved;
  }
  const pairs = likePairs([recorded, current.image], [from, image]);
  // One kind that agrees is proof enough: an index moves with every attestation, and the image stays.
  return pairs.some(({ before, after }) => before.digest === after.digest) ? undefined : pairs[0];
}

function likePairs(
  befores: readonly (ImageIdentity | undefined)[],
  afters: readonly (ImageIdentity | undefined)[],
): MovedImage[] {
  return befores.flatMap((before) =>
    afters.flatMap((after) =>
      before !== undefined && after !== undefined && before.kind === after.kind ? [{ before, after }] : [],
    ),
  );
}

/** Secrets that setup or the main program consumed: a changed keyed fingerprint recreates; another key id is unknown. */
export function compareSecrets(
  desired: DesiredRuntime,
  current: ObservedRuntime,
  fingerprints: Readonly<Record<string, string>>,
): Difference[] {
  return Object.keys(fingerprints)
    .toSorted()
    .filter((name) => compareFingerprints(current.labels.secrets[name], fingerprints[name]) === "changed")
    .map((name) => {
      const { source, key } = desired.provenance(`secrets.${name}`);
      return {
        path: `secrets.${name}`,
        field: "secrets",
        class: "recreate",
        before: MASKED,
        after: MASKED,
        source: source ?? null,
        key: formatKeyPath(key),
        why: isFor(desired.settings.secrets[name] ?? { env: name }, "command")
          ? "the main program began with the secret, and its value changed"
          : "setup used the secret, and its value changed",
        origin: "config",
      };
    });
}
