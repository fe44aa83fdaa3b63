/**
 * The manifest: a local runtime's labels and effective values as one readable JSON file.
 * Reading never throws for bad contents: a torn, hostile or foreign file is `undefined`.
 */
import { constants } from "node:fs";
import { lstat, open } from "node:fs/promises";
import { join } from "node:path";
import { SandkeepError } from "../../errors.ts";
import type { Json } from "../../model/json.ts";
import { parseJson } from "../../model/json-text.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import { decodeLabels, encodeLabels } from "../../model/labels.ts";
import type { Spec } from "../../model/spec.ts";
import { writeDurably } from "../../util/durable-file.ts";
import { errnoOf, unlessMissing } from "../../util/errno.ts";
import { localFields } from "./fields.ts";
import { isObject, valueAt } from "./spec.ts";

const FORMAT = 1;
const MAX_BYTES = 1024 * 1024;

export const MANIFEST = "manifest.json";
/** A second copy of the labels: a runtime whose manifest is torn is still known as ours. */
export const LABELS = "labels.json";

export interface Manifest {
  readonly object_id: string;
  /** Milliseconds since the epoch. */
  readonly created_at: number;
  readonly labels: RuntimeLabels;
  /** Effective values by field path. Commands run with these, so an edit by hand is real and shows as drift. */
  readonly fields: Readonly<Record<string, Json>>;
}

/** Values by field path, as a fresh manifest of this spec holds them. */
export function fieldsOf(spec: Spec): Record<string, Json> {
  const fields: Record<string, Json> = {};
  for (const row of localFields) {
    const value = valueAt(spec.values, row.path);
    if (value !== undefined) fields[row.path] = value;
  }
  return fields;
}

export async function writeManifest(objectDir: string, manifest: Manifest): Promise<void> {
  const labels = encodeLabels(manifest.labels);
  await writeJson(join(objectDir, LABELS), { format_version: FORMAT, object_id: manifest.object_id, labels });
  await writeJson(join(objectDir, MANIFEST), {
    format_version: FORMAT,
    object_id: manifest.object_id,
    created_at: manifest.created_at,
    labels,
    fields: manifest.fields,
  });
}

/** Atomic and fsynced. A symlink in the file's place is refused: sandkeep made none. */
export async function writeJson(path: string, value: Json): Promise<void> {
  if ((await unlessMissing(lstat(path)))?.isSymbolicLink()) {
    throw new SandkeepError(`${path} is a symbolic link, which sandkeep never writes through`, {
      code: "LOCAL_DENIED",
      kind: "denied",
      hint: "remove the link and run `sandkeep apply`",
    });
  }
  await writeDurably(path, `${JSON.stringify(value, null, 2)}\n`);
}

export async function readManifest(objectDir: string, objectId: string): Promise<Manifest | undefined> {
  const value = await readJson(join(objectDir, MANIFEST));
  const labels = labelsIn(value, objectId);
  if (value === undefined || labels === undefined || labels.spec.backend !== "local") return undefined;
  const { created_at: createdAt, fields } = value;
  if (typeof createdAt !== "number" || !Number.isFinite(createdAt) || !isObject(fields)) return undefined;
  return { object_id: objectId, created_at: createdAt, labels, fields: present(fields) };
}

/** Whose runtime this is, when its manifest can no longer be read. */
export async function readLabels(objectDir: string, objectId: string): Promise<RuntimeLabels | undefined> {
  const fromManifest = labelsIn(await readJson(join(objectDir, MANIFEST)), objectId);
  return fromManifest ?? labelsIn(await readJson(join(objectDir, LABELS)), objectId);
}

function labelsIn(
  value: Readonly<Record<string, Json | undefined>> | undefined,
  objectId: string,
): RuntimeLabels | undefined {
  // Another id means a copied or swapped folder: its labels speak of another runtime.
  if (value === undefined || value["format_version"] !== FORMAT || value["object_id"] !== objectId) {
    return undefined;
  }
  const { labels } = value;
  if (!isObject(labels)) return undefined;
  const text: Record<string, string> = {};
  for (const [key, each] of Object.entries(labels)) {
    if (typeof each === "string") text[key] = each;
  }
  return decodeLabels(text);
}

function present(fields: Readonly<Record<string, Json | undefined>>): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([key, each]) => (each === undefined ? [] : [[key, each]])),
  );
}

/** A JSON object from a plain file of bounded size; undefined when it is not one. */
export async function readJson(
  path: string,
): Promise<Readonly<Record<string, Json | undefined>> | undefined> {
  const text = await readPlainFile(path);
  const value = text === undefined ? undefined : parseJson(text);
  return isObject(value) ? value : undefined;
}

async function readPlainFile(path: string): Promise<string | undefined> {
  // NONBLOCK: opening a pipe that someone put here must not hang the observation.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let handle;
  try {
    handle = await open(path, flags);
  } catch (thrown) {
    if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "EISDIR"].includes(errnoOf(thrown) ?? "")) return undefined;
    throw thrown;
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile() || stat.size > MAX_BYTES) return undefined;
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}
