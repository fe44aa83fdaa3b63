import * as z from "zod";
import { runReconcileSchema } from "./run-answers.ts";

/** Everything that `doctor` can find: a closed set, so that scripts can tell one from the other. */
export const DOCTOR_CODES = [
  "stale-mutex",
  "stale-lease",
  "stale-lock",
  "dead-open-run",
  "dead-run",
  "run-without-runtime",
  "unreadable-run",
  "half-removed-run",
  "half-bundle",
  "torn-file",
  "foreign-file",
  "orphaned-temp",
  "tombstone",
  "index-out-of-step",
] as const;
export type DoctorCode = (typeof DOCTOR_CODES)[number];

/** What is done about it; `none` is left to a person. */
const DOCTOR_FIXES = [
  "unlock",
  "release",
  "remove",
  "interrupt",
  "set-aside",
  "forget",
  "rebuild-index",
  "none",
] as const;

/** `changed`: it was no longer so when its turn came, and nothing was done. `left`: a person has to look at it. */
export const DOCTOR_STATUSES = ["found", "would_fix", "fixed", "changed", "failed", "left"] as const;

export const doctorFindingSchema = z.strictObject({
  code: z.enum(DOCTOR_CODES),
  /** Of what lies outside of every fleet's folder: null. */
  fleet: z.string().nullable(),
  /** Relative to the state directory. */
  path: z.string(),
  /** The run, address or other key in it that is meant; null for the whole. */
  subject: z.string().nullable(),
  why: z.string(),
  fix: z.enum(DOCTOR_FIXES),
  /** What the fix does, or what a person can do. */
  does: z.string(),
  status: z.enum(DOCTOR_STATUSES),
  error: z.string().nullable(),
});
export type DoctorFinding = z.infer<typeof doctorFindingSchema>;

/** Answer of `doctor`. */
export const doctorSchema = z.strictObject({
  /** Nothing is left that should be otherwise. */
  ok: z.boolean(),
  fix: z.boolean(),
  dry_run: z.boolean(),
  state_dir: z.string(),
  fleet: z.string(),
  findings: z.array(doctorFindingSchema),
  /** Findings by code, and by status. */
  counts: z.record(z.string(), z.int()),
  statuses: z.record(z.string(), z.int()),
  engines: z.array(
    z.strictObject({
      backend: z.string(),
      host: z.string(),
      status: z.enum(["observed", "unobserved"]),
      message: z.string().nullable(),
    }),
  ),
  /** What could not be judged, and why. */
  skipped: z.array(z.string()),
  /** So young that a living process may be at work on them. */
  recent: z.int().nonnegative(),
  /** What earlier was put aside for a person; nothing removes it. */
  kept: z.array(z.string()),
  reconcile: runReconcileSchema,
  exit_code: z.int(),
});
export type DoctorReport = z.infer<typeof doctorSchema>;
