/**
 * The manifest: a runtime's labels and effective values, one line of JSON on the host. Whoever may write there may write
 * anything: what cannot be read for certain is `undefined`, never a guess and never a failure.
 */
import * as z from "zod";
import type { Json } from "../../model/json.ts";
import { parseJson } from "../../model/json-text.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import { decodeLabels, encodeLabels } from "../../model/labels.ts";

const FORMAT = 1;
/** Bytes; what is larger is not read. */
const MOST_MANIFEST = 1024 * 1024;

export interface Manifest {
  readonly object_id: string;
  /** Milliseconds since the epoch. */
  readonly created_at: number;
  readonly labels: RuntimeLabels;
  /** Effective values by field path. Commands run with these, so an edit by hand is real and shows as drift. */
  readonly fields: Readonly<Record<string, Json>>;
}

const json: z.ZodType<Json> = z.json();
const labelsSchema = z.object({
  format_version: z.literal(FORMAT),
  object_id: z.string(),
  labels: z.record(z.string(), z.string()),
});
const manifestSchema = labelsSchema.extend({
  created_at: z.number().min(0),
  fields: z.record(z.string(), json),
});

export function manifestLine({ object_id, created_at, labels, fields }: Manifest): string {
  return JSON.stringify({
    format_version: FORMAT,
    object_id,
    created_at,
    labels: encodeLabels(labels),
    fields,
  });
}

export function labelsLine(objectId: string, labels: RuntimeLabels): string {
  return JSON.stringify({ format_version: FORMAT, object_id: objectId, labels: encodeLabels(labels) });
}

/** Another id means a copied or swapped folder: its labels speak of another runtime. */
export function readManifest(text: string | undefined, objectId: string): Manifest | undefined {
  const { data } = manifestSchema.safeParse(parse(text));
  const labels = data?.object_id === objectId ? decodeLabels(data.labels) : undefined;
  if (data === undefined || labels === undefined || labels.spec.backend !== "ssh") return undefined;
  return { object_id: objectId, created_at: data.created_at, labels, fields: data.fields };
}

/** Whose runtime this is, when its manifest can no longer be read. */
export function readLabels(text: string | undefined, objectId: string): RuntimeLabels | undefined {
  const { data } = labelsSchema.safeParse(parse(text));
  return data?.object_id === objectId ? decodeLabels(data.labels) : undefined;
}

export function parse(text: string | undefined): unknown {
  return text === undefined || text.length > MOST_MANIFEST ? undefined : parseJson(text);
}
