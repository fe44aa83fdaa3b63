import type { Json, JsonObject } from "./json.ts";

/** What a changed field costs: a new runtime, an update in place, or nothing. */
export type FieldClass = "recreate" | "live" | "ignored";

/** One row of a driver's field table: how one path of a spec's `values` behaves. */
export interface FieldRow {
  /** Dotted path in `Spec.values`: `docker.memory`, `workspace.access`, `env`. */
  readonly path: string;
  /** True when a change can only recreate; the value is then part of the spec hash. Others are compared with what is observed. */
  readonly hashed: boolean;
  /** The class of a change; undefined stands for an absent value. */
  readonly classify: (before: Json | undefined, after: Json | undefined) => FieldClass;
  /** One sentence for people: why the field behaves so. */
  readonly why: string;
  /** Values are shown as `(sensitive)`. */
  readonly sensitive?: boolean;
  /** For fields younger than hash version 1: the default at which they are left out of the hash. */
  readonly introduced_default?: Json;
  /** What the spec says of it when the config says nothing, from the other values of its section. */
  readonly implied?: (section: JsonObject) => Json | undefined;
}

const always = (value: FieldClass) => (): FieldClass => value;

/** A field whose change can only recreate; part of the spec hash. */
export function recreateField(path: string, why: string, extra: Partial<FieldRow> = {}): FieldRow {
  return { path, hashed: true, classify: always("recreate"), why, ...extra };
}

/** A field that is updated in place; never hashed. */
export function liveField(path: string, why: string, extra: Partial<FieldRow> = {}): FieldRow {
  return { path, hashed: false, classify: always("live"), why, ...extra };
}

/** A field that never causes a change; never hashed. */
export function ignoredField(path: string, why: string, extra: Partial<FieldRow> = {}): FieldRow {
  return { path, hashed: false, classify: always("ignored"), why, ...extra };
}

/** Rows of every backend: how a copy of the workspace is made and kept shapes nothing that exists. */
export const copiedWorkspaceFields: readonly FieldRow[] = [
  ignoredField("workspace.sync", "how the copy is brought up to date, not what the runtime is"),
  ignoredField("workspace.ignore", "what of the workspace is copied, not what the runtime is"),
];
