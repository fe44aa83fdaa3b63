import { constants } from "node:os";
import type { ExecResult } from "../drivers/driver.ts";
import type { RunExitClass, RunStatus } from "../model/run.ts";

/** What is known of how a run ended. */
export interface Outcome {
  readonly exitCode: number | null;
  readonly timedOut: boolean;
  readonly cancelled: boolean;
  /** Sandkeep's own failure to begin the command, or to learn how it ended. */
  readonly failure: "not-started" | "backend-lost" | "refused" | undefined;
  /** What the backend knows of the reason. */
  readonly because?: ExecResult["because"];
}

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));
/** Aliases share a number with these. */
const PREFERRED = new Map([
  [6, "SIGABRT"],
  [29, "SIGIO"],
  [31, "SIGSYS"],
]);

/** `137` → `SIGKILL`: what shells mean by such a code. A command may also exit with it by itself. */
export function signalOf(exitCode: number | null): string | null {
  if (exitCode === null || exitCode <= 128) return null;
  return PREFERRED.get(exitCode - 128) ?? SIGNALS.get(exitCode - 128) ?? null;
}

/** The first that applies. */
const CLASSES: readonly (readonly [RunExitClass, (outcome: Outcome) => boolean])[] = [
  ["refused", ({ failure, because }) => failure === "refused" || because === "refused"],
  ["not-started", ({ failure }) => failure === "not-started"],
  ["backend-lost", ({ failure }) => failure === "backend-lost"],
  ["timeout", ({ timedOut }) => timedOut],
  ["cancelled", ({ cancelled }) => cancelled],
  ["out-of-memory", ({ because }) => because === "out-of-memory"],
  ["success", ({ exitCode }) => exitCode === 0],
  ["not-found", ({ exitCode }) => exitCode === 127],
  ["not-executable", ({ exitCode }) => exitCode === 126],
  ["signal", ({ exitCode }) => signalOf(exitCode) !== null],
];

export function exitClassOf(outcome: Outcome): RunExitClass {
  return CLASSES.find(([, applies]) => applies(outcome))?.[0] ?? "error";
}

export function statusOf(exitClass: RunExitClass): RunStatus {
  if (exitClass === "interrupted") return "interrupted";
  return exitClass === "success" ? "ok" : "failed";
}
