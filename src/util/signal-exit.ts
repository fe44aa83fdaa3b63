import { constants } from "node:os";

const NUMBERS: Readonly<Record<string, number | undefined>> = constants.signals;

/** The exit code that shells tell for what a signal ended: 130 after SIGINT. 128 alone for one that nobody here knows. */
export function signalExit(signal: string | null): number {
  return 128 + (NUMBERS[signal ?? ""] ?? 0);
}
