import { availableParallelism } from "node:os";
import type { Capabilities } from "../../model/capabilities.ts";

/** Where an engine saturates: with fewer its cores wait for its disk, and more only make each change slower. */
export const WRITES_AT_ONCE = Math.min(2 * (availableParallelism() + 1), 12);

/**
 * A few steps more, for while some have the engine's time, others look, or write down what they mean to do. With more of
 * them a fleet is replaced hardly sooner, each sandbox is away for longer, and Docker before 23.0 comes to lock itself up: it
 * takes two of its own locks in either order as containers end beside each other (moby/moby#42545).
 */
export const STEPS_AT_ONCE = WRITES_AT_ONCE + 2;

/** What every dialect has in common. */
export const capabilities: Omit<Capabilities, "networks" | "changes"> = {
  lifecycle: "process",
  exec: true,
  tty: true,
  events: true,
  images: true,
  reports_execs: true,
  parallelism: STEPS_AT_ONCE,
};
