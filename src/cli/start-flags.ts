import { setFlagsFromString } from "node:v8";

/** A command is mostly over within so many milliseconds. */
const MOMENT = 20_000;
/** Of these what follows is known, and was measured with: that of Node 20. */
const V8 = "11.3.";

/**
 * By itself V8 makes optimized code of what was busy for a millisecond, and marks what is garbage in a heap of 12 MB. A
 * command that is over in a moment only waits for both.
 */
const SHORT = ["--ticks-before-optimization=15", "--no-incremental-marking"] as const;
const LONG = ["--ticks-before-optimization=3", "--incremental-marking"] as const;

function set(flags: readonly string[]): void {
  for (const flag of flags) setFlagsFromString(flag);
}

/** Tunes V8 for a command that is over in a moment, and as ever for one that is not. Answers what tunes it so again. */
export function startShort(): () => void {
  if (!process.versions.v8.startsWith(V8)) return () => undefined;
  set(SHORT);
  setTimeout(() => set(LONG), MOMENT).unref();
  return () => set(SHORT);
}
