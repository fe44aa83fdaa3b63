import { SandkeepError } from "../../errors.ts";
import type { ErrorClass } from "../../model/failure.ts";

/** Stands for the death of the process that made the call: nothing may catch it and go on as if alive. */
export class ProcessDeath extends Error {
  constructor() {
    super("the process died here");
    this.name = "ProcessDeath";
  }
}

const CODES = {
  transient: "MEMORY_TRANSIENT",
  terminal: "MEMORY_FAILED",
  "not-found": "MEMORY_NOT_FOUND",
  conflict: "MEMORY_CONFLICT",
  unreachable: "MEMORY_UNREACHABLE",
  denied: "MEMORY_DENIED",
} as const satisfies Record<ErrorClass, string>;

export function memoryError(kind: ErrorClass, message: string): SandkeepError {
  return new SandkeepError(message, {
    code: CODES[kind],
    kind,
    blame: "backend",
    hint: "This is the memory backend of the tests: look at the faults the test injected.",
  });
}
