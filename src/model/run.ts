import * as z from "zod";

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

/** A change took the runtime away while the run went on. */
export const runDisruptionSchema = z.strictObject({
  /** ISO 8601. */
  at: z.string(),
  /** Of the apply that did it. */
  plan_id: z.string(),
  why: z.string(),
});
export type RunDisruption = z.infer<typeof runDisruptionSchema>;

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
