import * as z from "zod";
import { RUN_EXIT_CLASSES, RUN_STATUSES } from "./run.ts";

/** Sixteen hex characters of a keyed hash: the same runtime or session has the same one, and nobody else can tell whose. */
const hashed = z.string().regex(/^[0-9a-f]{16}$/);
const amount = z.int().nonnegative();
const ms = z.int().nonnegative();

/** Of every event. */
const common = {
  v: z.literal(1),
  /** Milliseconds since the epoch. */
  at: z.int(),
};

/** Exit codes of sandkeep's own; any other is told as 1. */
const exitCode = z.literal([0, 1, 2, 3, 4, 5, 69, 70, 75, 77, 78]);
type KnownExit = z.infer<typeof exitCode>;

export function knownExit(code: number): KnownExit {
  return exitCode.safeParse(code).data ?? 1;
}

/** Who asks for a run may call itself anything, so only names that we give are told. */
export const RUN_SOURCES = ["cli", "task", "canary", "other"] as const;

/**
 * What happened, and nothing about whom or with what: closed values, timings, counts and hashes. There is no field in
 * which an argument, a value of the environment, output, a host or a path could stand; what is not named here is left out.
 */
export const recordedEventSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("run.started"),
    ...common,
    run: hashed,
    workspace: hashed,
    sandboxed: z.boolean(),
    tty: z.boolean(),
    source: z.enum(RUN_SOURCES),
  }),
  z.object({
    type: z.literal("run.ended"),
    ...common,
    run: hashed,
    workspace: hashed,
    status: z.enum(RUN_STATUSES),
    exit_class: z.enum(RUN_EXIT_CLASSES),
    duration_ms: ms,
  }),
  z.object({
    type: z.literal("change.ended"),
    ...common,
    workspace: hashed,
    action: z.enum([
      "create",
      "start",
      "update",
      "recreate",
      "remove",
      "adopt",
      "repair",
      "no-op",
      "several",
    ]),
    status: z.enum(["done", "failed", "skipped", "stale", "rolled_back"]),
    duration_ms: ms,
  }),
  z.object({
    type: z.literal("apply.ended"),
    ...common,
    mode: z.enum(["apply", "recreate", "prune", "destroy"]),
    done: amount,
    failed: amount,
    skipped: amount,
    stale: amount,
    rolled_back: amount,
    exit_code: exitCode,
    duration_ms: ms,
  }),
  z.object({ type: z.literal("watch.started"), ...common, resync_ms: ms }),
  z.object({
    type: z.literal("watch.cycle"),
    ...common,
    whole: z.boolean(),
    changes: amount,
    exit_code: exitCode,
    duration_ms: ms,
  }),
  z.object({
    type: z.literal("watch.config"),
    ...common,
    status: z.enum(["loaded", "invalid"]),
    errors: amount,
  }),
  z.object({
    type: z.literal("watch.backoff"),
    ...common,
    workspace: hashed,
    attempt: amount,
    retry_in_ms: ms,
  }),
  z.object({ type: z.literal("watch.stalled"), ...common, workspace: hashed }),
  z.object({ type: z.literal("watch.stopped"), ...common, drained: z.boolean() }),
  z.object({
    type: z.literal("cleanup.ended"),
    ...common,
    removed: amount,
    kept: amount,
    failed: amount,
    bytes: amount,
  }),
  z.object({
    type: z.literal("canary.ended"),
    ...common,
    verdict: z.enum(["passed", "failed"]),
    duration_ms: ms,
  }),
  z.object({
    type: z.literal("host.standing"),
    ...common,
    /** Who says so. */
    by: z.enum(["canary", "headroom"]),
    status: z.enum(["degraded", "recovered"]),
    /** Nothing new is made there. */
    blocks: z.boolean(),
  }),
  z.object({ type: z.literal("doctor.ended"), ...common, found: amount, fixed: amount, failed: amount }),
]);
export type RecordedEvent = z.infer<typeof recordedEventSchema>;

/** Distributes over the union, so that each event keeps its own fields. */
type Unstamped<E> = E extends unknown ? Omit<E, "v" | "at"> : never;
/** As its source tells it; `workspace` and `run` are still plain, and are hashed before anything is written. */
export type EventFacts = Unstamped<RecordedEvent>;

export function knownSource(source: string): (typeof RUN_SOURCES)[number] {
  return RUN_SOURCES.find((each) => each === source) ?? "other";
}
