import * as z from "zod";
import { artifactsSchema } from "./artifacts.ts";

/** `running` is what a manifest says until its end is written; a reader tells by its process whether it is still so. */
export const RUN_STATUSES = ["running", "ok", "failed", "interrupted"] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

/** How a run ended, in the order in which it is judged; `error` is any other code that is not 0. */
export const RUN_EXIT_CLASSES = [
  "refused",
  "not-started",
  "backend-lost",
  "timeout",
  "cancelled",
  "out-of-memory",
  "success",
  "not-found",
  "not-executable",
  "signal",
  "error",
  "interrupted",
] as const;
export type RunExitClass = (typeof RUN_EXIT_CLASSES)[number];

const logSchema = z.strictObject({
  /** Everything written to this stream, secrets already masked. */
  bytes: z.int().nonnegative(),
  /** Of these, how many rotation dropped from the start. */
  dropped: z.int().nonnegative(),
  /** How many could not be written, because of `error`. */
  lost: z.int().nonnegative(),
  /** System error code that ended the log, such as ENOSPC; the command went on. */
  error: z.string().nullable(),
});
export type RunLog = z.infer<typeof logSchema>;

const processSchema = z.strictObject({
  pid: z.int().positive(),
  start_time: z.string(),
  boot_id: z.string(),
  pid_namespace: z.string(),
  host: z.string(),
});

/** A change took the runtime away while the run went on. */
export const runDisruptionSchema = z.strictObject({
  /** ISO 8601. */
  at: z.string(),
  /** Of the apply that did it. */
  plan_id: z.string(),
  why: z.string(),
});
export type RunDisruption = z.infer<typeof runDisruptionSchema>;

/**
 * What ran where, under what, and how it ended: `manifest.json` of each run, and the answer of `run` and `shell`.
 * Resolved secrets are masked in it; of the environment it holds names only.
 */
export const runManifestSchema = z.strictObject({
  format_version: z.literal(1),
  run_id: z.string(),
  /** Who asked for it: cli, or what a caller calls itself, such as task or canary. */
  source: z.string(),
  status: z.enum(RUN_STATUSES),
  agent: z.string(),
  session: z.string(),
  /** False when the session's mode leaves it on the host. */
  sandboxed: z.boolean(),
  /** Null on the host. */
  address: z.string().nullable(),
  backend: z.string().nullable(),
  host: z.string().nullable(),
  object_id: z.string().nullable(),
  spec_hash: z.string().nullable(),
  image: z
    .strictObject({ ref: z.string(), kind: z.string(), digest: z.string(), platform: z.string() })
    .nullable(),
  /** Of the apply that made the runtime; null where nobody knows, and on the host. */
  plan_id: z.string().nullable().default(null),
  /** What was said of the sandbox that was made for it; null where it used one that was there. */
  ephemeral: z
    .strictObject({ image: z.string().nullable(), backend: z.string().nullable(), keep: z.boolean() })
    .nullable()
    .default(null),
  argv: z.array(z.string()),
  /** Null where it is the workspace of the runtime. */
  cwd: z.string().nullable(),
  env: z.strictObject({
    mode: z.enum(["inherit", "clean"]),
    /** Variables that were given with the command. */
    names: z.array(z.string()),
    /** Variables whose values are secrets of the agent. */
    secrets: z.array(z.string()),
  }),
  /** The program of this machine that was put there for it. */
  bin: z
    .strictObject({
      /** Where it was. */
      path: z.string(),
      name: z.string(),
      bytes: z.int().nonnegative(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    })
    .nullable()
    .default(null),
  tty: z.boolean(),
  /** Where the settings came from, and whether that is what its repository's commit holds; null without a repository. */
  config: z.strictObject({
    /** Null where the built-in defaults hold alone. */
    file: z.string().nullable(),
    commit: z.string().nullable(),
    dirty: z.boolean().nullable(),
  }),
  /** ISO 8601. */
  started_at: z.string(),
  /** `started_at` and the measured duration, so that a clock that jumps tells no nonsense. Null while it runs. */
  ended_at: z.string().nullable(),
  duration_ms: z.number().nonnegative().nullable(),
  timeout_ms: z.number().positive().nullable(),
  timed_out: z.boolean(),
  cancelled: z.boolean(),
  /** 128 + n where signal n ended the command; null while it runs, or where nobody knows. */
  exit_code: z.int().nullable(),
  /** Told from the exit code, as shells do. */
  signal: z.string().nullable(),
  exit_class: z.enum(RUN_EXIT_CLASSES).nullable(),
  /** Why sandkeep itself could not begin or follow it. */
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  /** Null where its runtime was left to it. */
  disrupted: runDisruptionSchema.nullable().default(null),
  /** It was ended or killed where its workspace was a copy: what it had changed there went with it. */
  changes_lost: z.boolean().default(false),
  /** Null where the command had the caller's own terminal. */
  logs: z.strictObject({ stdout: logSchema, stderr: logSchema }).nullable(),
  /** What it left of what was asked for; null where nothing was. */
  artifacts: artifactsSchema.nullable().default(null),
  tool_version: z.string(),
  /** Who records it. */
  process: processSchema,
});
export type RunManifest = z.infer<typeof runManifestSchema>;

/** One run as `runs list` shows it. */
export const listedRunSchema = z.strictObject({
  id: z.string(),
  source: z.string(),
  status: z.enum(RUN_STATUSES),
  agent: z.string(),
  session: z.string(),
  address: z.string().nullable(),
  backend: z.string().nullable(),
  host: z.string().nullable(),
  spec_hash: z.string().nullable(),
  argv: z.array(z.string()),
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  exit_class: z.enum(RUN_EXIT_CLASSES).nullable(),
  started_at: z.string(),
  ended_at: z.string().nullable(),
  duration_ms: z.number().nonnegative().nullable(),
});
export type ListedRun = z.infer<typeof listedRunSchema>;

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
