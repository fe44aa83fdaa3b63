import { availableParallelism } from "node:os";
import type { Capabilities } from "../../model/capabilities.ts";

/** Where an engine saturates: with fewer its cores wait for its disk, and more only make each change slower. */
export const WRITES_AT_ONCE = Math.min(2 * (availableParallelism() + 1), 12);

/**
 * More steps than that: while some have the engine's time, others look, or write down what they mean to do, and what is
 * removed waits for the kernel more than for the engine.
 */
export const STEPS_AT_ONCE = Math.min(4 * WRITES_AT_ONCE, 24);

/** What every dialect has in common. */
export const capabilities: Omit<Capabilities, "networks" | "changes" | "parallelism"> = {
  lifecycle: "process",
  exec: true,
  tty: true,
  events: true,
  images: true,
  reports_execs: true,
};
