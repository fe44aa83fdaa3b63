import * as z from "zod";
import { runManifestSchema } from "./run-manifest.ts";
import { listedRunSchema, RUN_STATUSES } from "./run.ts";

/** What reading the ledger put in order by the way. */
export const runReconcileSchema = z.strictObject({
  /** Runs whose process is gone: now marked interrupted. */
  interrupted: z.int().nonnegative(),
  /** Ended runs that the index did not have. */
  indexed: z.int().nonnegative(),
  /** Folders whose manifest is missing, torn or not ours; left alone. */
  unreadable: z.array(z.string()),
});
export type RunReconcile = z.infer<typeof runReconcileSchema>;

export const runListSchema = z.strictObject({
  runs: z.array(listedRunSchema),
  /** More match than `--limit` lets through. */
  more: z.boolean(),
  reconcile: runReconcileSchema,
});
export type RunList = z.infer<typeof runListSchema>;

export const runLedgerStatusSchema = z.strictObject({
  fleet: z.string(),
  total: z.int().nonnegative(),
  counts: z.strictObject({ running: z.int(), ok: z.int(), failed: z.int(), interrupted: z.int() }),
  running: z.array(listedRunSchema),
  latest: listedRunSchema.nullable(),
  latest_failed: listedRunSchema.nullable(),
  reconcile: runReconcileSchema,
});
export type RunLedgerStatus = z.infer<typeof runLedgerStatusSchema>;

/** A line of output as text: what is no UTF-8 is `\xNN`. */
export const runLineSchema = z.strictObject({
  stream: z.enum(["stdout", "stderr"]),
  /** After the start of the run. */
  ms: z.number().nullable(),
  text: z.string(),
});
export type RunLine = z.infer<typeof runLineSchema>;

export const runInspectionSchema = z.strictObject({
  run: runManifestSchema,
  folder: z.string(),
  /** The newest log with something in it; null where none exists yet. */
  latest_log: z.string().nullable(),
  lines: z.array(runLineSchema),
});
export type RunInspection = z.infer<typeof runInspectionSchema>;

export const runTailSchema = z.strictObject({
  run_id: z.string(),
  status: z.enum(RUN_STATUSES),
  latest_log: z.string().nullable(),
  lines: z.array(runLineSchema),
});

export const runPathsSchema = z.strictObject({
  run_id: z.string(),
  folder: z.string(),
  latest_log: z.string().nullable(),
  stdout: z.string().nullable(),
  stderr: z.string().nullable(),
});
export type RunPaths = z.infer<typeof runPathsSchema>;

export const runIndexSchema = z.strictObject({
  indexed: z.int().nonnegative(),
  running: z.int().nonnegative(),
  /** Runs whose process is gone: now marked interrupted. */
  interrupted: z.int().nonnegative(),
  unreadable: z.array(z.string()),
});
export type RunIndex = z.infer<typeof runIndexSchema>;

export const CLEANUP_REASONS = [
  "would_remove",
  "removed",
  "running",
  "recent",
  "not_failed",
  "missing_manifest",
  "source_mismatch",
  "held",
  "delete_failed",
] as const;
export type CleanupReason = (typeof CLEANUP_REASONS)[number];

const cleanupEntrySchema = z.strictObject({
  id: z.string(),
  reason: z.enum(CLEANUP_REASONS),
  /** Freed, or to be freed. */
  bytes: z.int().nonnegative(),
  error: z.string().nullable(),
});
export type CleanupEntry = z.infer<typeof cleanupEntrySchema>;

/** Answer of `runs cleanup`. */
export const runCleanupSchema = z.strictObject({
  dry_run: z.boolean(),
  older_than_ms: z.number().nonnegative(),
  entries: z.array(cleanupEntrySchema),
  /** Entries by reason. */
  counts: z.record(z.string(), z.int()),
  bytes: z.int().nonnegative(),
});
export type RunCleanup = z.infer<typeof runCleanupSchema>;

/** What is no longer as it was when the run to be repeated began. */
export const runDifferenceSchema = z.strictObject({
  /** spec_hash | image | env | config | sandboxed | address */
  field: z.string(),
  before: z.string().nullable(),
  now: z.string().nullable(),
});
export type RunDifference = z.infer<typeof runDifferenceSchema>;

/** Answer of `runs rerun`. */
export const rerunSchema = z.strictObject({
  rerun_of: z.string(),
  differences: z.array(runDifferenceSchema),
  run: runManifestSchema,
});
