import { availableParallelism } from "node:os";
import type { Capabilities } from "../../model/capabilities.ts";

/** Where an engine saturates: more creates at once only make each one slower. */
const MOST_WRITES = 4;

export const capabilities: Capabilities = {
  lifecycle: "process",
  exec: true,
  tty: true,
  events: true,
  images: true,
  reports_execs: true,
  parallelism: Math.min(availableParallelism() + 1, MOST_WRITES),
};
