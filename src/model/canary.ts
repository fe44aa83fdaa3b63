import * as z from "zod";
import { diskSchema, hostSnapshotSchema, staleSchema } from "./host.ts";

const at = z.iso.datetime();

/** What changed on the host between two looks; null for what one of them does not tell. */
export const hostDeltaSchema = z.strictObject({
  load_1m: z.number().nullable(),
  /** Bytes; less than 0 when there is less than before. */
  memory_available: z.number().nullable(),
  disk_available: z.array(z.strictObject({ ...diskSchema.pick({ mount: true }).shape, bytes: z.number() })),
  processes: z.number().nullable(),
  containers: z.number(),
  directories: z.number(),
});
export type HostDelta = z.infer<typeof hostDeltaSchema>;

export const canaryStepSchema = z.strictObject({
  step: z.enum(["provision", "exec", "files", "limits", "network", "isolation", "removal"]),
  /** `not_applicable`: the backend has no such thing, or nothing of it was asked for. */
  status: z.enum(["passed", "failed", "not_applicable", "skipped"]),
  duration_ms: z.number(),
  /** What was found, in a few words. */
  message: z.string(),
});
export type CanaryStep = z.infer<typeof canaryStepSchema>;

/** Answer of `canary`, and what is kept of it. */
export const canaryReportSchema = z.strictObject({
  format_version: z.literal(1),
  id: z.string(),
  fleet: z.string(),
  host: z.string(),
  backend: z.string(),
  address: z.string(),
  started_at: at,
  duration_ms: z.number(),
  verdict: z.enum(["passed", "failed"]),
  why: z.string(),
  steps: z.array(canaryStepSchema),
  /** Null where only the engine of the host can be reached. */
  before: hostSnapshotSchema.nullable(),
  after: hostSnapshotSchema.nullable(),
  provision_delta: hostDeltaSchema.nullable(),
  destroy_delta: hostDeltaSchema.nullable(),
  inventory: z.strictObject({
    containers: z.int(),
    directories: z.int(),
    compose_projects: z.array(z.string()),
  }),
  stale_candidates: z.array(staleSchema),
  kept: z.boolean(),
  exported: z.string().nullable(),
  notes: z.array(z.string()),
  exit_code: z.int(),
});
export type CanaryReport = z.infer<typeof canaryReportSchema>;

/** Answer of `canary history`, newest last. */
export const canaryHistorySchema = z.strictObject({
  canaries: z.array(
    z.strictObject({
      id: z.string(),
      host: z.string(),
      backend: z.string(),
      started_at: at,
      duration_ms: z.number(),
      provision_ms: z.number().nullable(),
      verdict: z.enum(["passed", "failed"]),
      why: z.string(),
    }),
  ),
  exit_code: z.int(),
});
export type CanaryHistory = z.infer<typeof canaryHistorySchema>;
