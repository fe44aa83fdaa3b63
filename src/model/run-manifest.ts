import * as z from "zod";
import { artifactsSchema } from "./artifacts.ts";
import { RUN_EXIT_CLASSES, RUN_STATUSES, runDisruptionSchema } from "./run.ts";

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
