/** What ended a change, as its outcome tells it. */
import { hasCode, SandkeepError } from "../errors.ts";
import type { Outcome } from "../model/outcome.ts";
import { signalExit } from "../util/signal-exit.ts";

/** Of what no change began any more once a signal came; the command itself knows which signal it was. */
export const INTERRUPTED = {
  reason: "interrupted before it was begun",
  exitCode: signalExit("SIGINT"),
} as const;

export function interrupted(): SandkeepError {
  const { reason, exitCode } = INTERRUPTED;
  return new SandkeepError(reason, { code: "INTERRUPTED", exitCode });
}

export function isInterrupted(thrown: unknown): boolean {
  return hasCode(thrown, "INTERRUPTED");
}

export function codeOf(error: Error): string {
  return error instanceof SandkeepError ? error.code : "INTERNAL";
}

/** Of an error's own exit codes, those that say something about an apply. */
export function exitCodeOf(error: Error): number {
  const code = error instanceof SandkeepError ? error.exitCode : 70;
  return [5, 69, 70, 75, INTERRUPTED.exitCode].includes(code) ? code : 1;
}

export function describe(error: Error): NonNullable<Outcome["error"]> {
  return error instanceof SandkeepError
    ? { code: error.code, message: error.message, hint: error.hint ?? null }
    : { code: "INTERNAL", message: error.message, hint: null };
}
