/** What ended a change, as its outcome tells it. */
import { SandkeepError } from "../errors.ts";
import type { Outcome } from "../model/outcome.ts";

export function codeOf(error: Error): string {
  return error instanceof SandkeepError ? error.code : "INTERNAL";
}

/** Of an error's own exit codes, those that say something about an apply. */
export function exitCodeOf(error: Error): number {
  const code = error instanceof SandkeepError ? error.exitCode : 70;
  return [5, 69, 70, 75].includes(code) ? code : 1;
}

export function describe(error: Error): NonNullable<Outcome["error"]> {
  return error instanceof SandkeepError
    ? { code: error.code, message: error.message, hint: error.hint ?? null }
    : { code: "INTERNAL", message: error.message, hint: null };
}
