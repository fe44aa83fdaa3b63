import { SandkeepError } from "../errors.ts";

/** Every code that sandkeep itself exits with; `run` otherwise exits with the command's own. */
export const EXIT = {
  ok: 0,
  failed: 1,
  pending: 2,
  blocked: 3,
  stale: 4,
  unhealthy: 5,
  usage: 64,
  unreachable: 69,
  bug: 70,
  busy: 75,
  denied: 77,
  invalid: 78,
  timeout: 124,
} as const;

/** The signals that end a command of ours. */
export type EndingSignal = "SIGHUP" | "SIGINT" | "SIGTERM";

/** The code for what a command threw: an error that is not ours is a bug of ours. */
export function exitCodeOf(thrown: unknown): number {
  return thrown instanceof SandkeepError ? thrown.exitCode : EXIT.bug;
}

/** A command line that makes no sense; `hint` says what would. */
export function usageError(message: string, hint = "See `sandkeep --help`."): SandkeepError {
  return new SandkeepError(message, { code: "USAGE", hint, exitCode: EXIT.usage });
}
