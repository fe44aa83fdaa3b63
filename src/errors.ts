import type { ErrorClass } from "./model/failure.ts";

/** Whose fault it is: `user` shows the message alone, `tool` is a bug of ours and asks for a report. */
export type ErrorBlame = "user" | "backend" | "tool";

export interface ErrorDetails {
  /** Stable machine code in SCREAMING_SNAKE, e.g. `BACKEND_UNREACHABLE`. */
  readonly code: string;
  /** What to do next, one sentence. */
  readonly hint?: string;
  readonly kind?: ErrorClass;
  readonly blame?: ErrorBlame;
  readonly cause?: unknown;
  /** Process exit code of design section 10, when this error ends the command. */
  readonly exitCode?: number;
}

/** The one base error: a code, what happened (message), what to do next (hint), and the cause. */
export class SandkeepError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly kind: ErrorClass;
  readonly blame: ErrorBlame;
  readonly exitCode: number;

  constructor(message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "SandkeepError";
    this.code = details.code;
    this.hint = details.hint;
    this.kind = details.kind ?? "terminal";
    this.blame = details.blame ?? "user";
    this.exitCode = details.exitCode ?? defaultExitCode(this.kind, this.blame);
  }
}

function defaultExitCode(kind: ErrorClass, blame: ErrorBlame): number {
  if (blame === "tool") return 70;
  if (kind === "unreachable") return 69;
  if (kind === "denied") return 77;
  return 1;
}

/** Whether it is an error of ours, of one of these classes. */
export function hasKind(thrown: unknown, ...kinds: readonly ErrorClass[]): thrown is SandkeepError {
  return thrown instanceof SandkeepError && kinds.includes(thrown.kind);
}

/** Whether it is an error of ours, with one of these codes. */
export function hasCode(thrown: unknown, ...codes: readonly string[]): thrown is SandkeepError {
  return thrown instanceof SandkeepError && codes.includes(thrown.code);
}

/** For the `default` of a switch over a closed union: a new member is a compile error here. */
export function assertNever(value: never): never {
  throw new SandkeepError(`unexpected value: ${JSON.stringify(value)}`, {
    code: "INTERNAL",
    blame: "tool",
  });
}

/** Any thrown value as an Error with a readable message. */
export function toError(thrown: unknown): Error {
  // What failed while cleaning up after a failure must not hide it.
  if (thrown instanceof Error && "suppressed" in thrown) return toError(thrown.suppressed);
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
