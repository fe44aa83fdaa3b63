import * as z from "zod";
import { diagnosticSchema } from "./diagnostic.ts";

const at = z.iso.datetime();

/**
 * Everything the engine tells a host while it works, one registry for the terminal, JSON lines and tests.
 * No argv, environment values or output of commands ever travels in these.
 */
export const eventSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("diagnostic"), at, diagnostic: diagnosticSchema }),
  z.strictObject({
    type: z.literal("note"),
    at,
    level: z.enum(["debug", "info", "warn", "error"]),
    code: z.string(),
    message: z.string(),
  }),
  z.strictObject({
    type: z.literal("apply.started"),
    at,
    plan_id: z.string(),
    changes: z.int(),
    steps: z.int(),
  }),
  z.strictObject({
    type: z.literal("step.started"),
    at,
    address: z.string(),
    step: z.string(),
    op: z.string(),
    cause: z.string(),
  }),
  z.strictObject({
    type: z.literal("step.progress"),
    at,
    address: z.string(),
    step: z.string(),
    op: z.string(),
    message: z.string(),
    fraction: z.number().nullable(),
  }),
  z.strictObject({
    type: z.literal("step.finished"),
    at,
    address: z.string(),
    step: z.string(),
    op: z.string(),
    status: z.enum(["done", "failed", "skipped"]),
    duration_ms: z.number(),
    error: z.string().nullable(),
  }),
  z.strictObject({
    type: z.literal("change.finished"),
    at,
    address: z.string(),
    action: z.string(),
    status: z.string(),
    duration_ms: z.number(),
    error: z.string().nullable(),
  }),
  z.strictObject({ type: z.literal("apply.finished"), at, plan_id: z.string(), exit_code: z.int() }),
  z.strictObject({ type: z.literal("watch.started"), at, fleet: z.string(), resync_s: z.number() }),
  z.strictObject({
    type: z.literal("watch.triggered"),
    at,
    key: z.string(),
    trigger: z.enum(["start", "file", "engine", "resync", "retry"]),
  }),
  z.strictObject({
    type: z.literal("watch.cycle"),
    at,
    key: z.string(),
    plan_id: z.string(),
    changes: z.int(),
    exit_code: z.int(),
    duration_ms: z.number(),
  }),
  z.strictObject({
    type: z.literal("watch.config"),
    at,
    status: z.enum(["loaded", "invalid"]),
    errors: z.int(),
    message: z.string(),
  }),
  z.strictObject({
    type: z.literal("watch.backoff"),
    at,
    address: z.string(),
    attempt: z.int(),
    retry_in_ms: z.number(),
    why: z.string(),
  }),
  z.strictObject({ type: z.literal("watch.stalled"), at, address: z.string(), why: z.string() }),
  z.strictObject({ type: z.literal("watch.stopped"), at, reason: z.string(), drained: z.boolean() }),
]);
export type SandkeepEvent = z.infer<typeof eventSchema>;

/** Distributes over the union, so that each event keeps its own fields. */
type WithoutTime<E> = E extends unknown ? Omit<E, "at"> : never;
export type EventBody = WithoutTime<SandkeepEvent>;

/** Where the engine's events go. The engine never prints. */
export interface EventSink {
  notify(event: EventBody): void;
}
