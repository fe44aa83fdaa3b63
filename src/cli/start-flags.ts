import { setFlagsFromString } from "node:v8";

/** A command is mostly over within so many milliseconds. */
const MOMENT = 20_000;
/** Of these what follows is known, and was measured with: that of Node 20. */
const V8 = "11.3.";

/**
 * By itself V8 makes optimized code of what was busy for a millisecond, collects new values as soon as they fill 1 MB, then 2,
 * and once more while a command waits for its engine, and marks what is garbage in a heap of 12 MB. A command that is over
 * in a moment only waits for all of it.
 */
const SHORT = ["--ticks-before-optimization=15", "--no-incremental-marking", "--no-minor-gc-task"] as const;
const LONG = ["--ticks-before-optimization=3", "--incremental-marking", "--minor-gc-task"] as const;
const LARGE = ["--semi-space-growth-factor=8"] as const;
/** New values otherwise get 32 MB to lie in, as garbage for the most part. */
const SMALL = ["--semi-space-growth-factor=1"] as const;

/** Modules of Node's own that nearly every command uses. */
const USED = ["child_process", "crypto", "fs/promises", "net", "os", "timers/promises"] as const;

function isKnown(): boolean {
  return process.versions.v8.startsWith(V8);
}

function set(flags: readonly string[]): void {
  if (isKnown()) for (const flag of flags) setFlagsFromString(flag);
}

/**
 * Tunes V8 for a command that is over in a moment, and as ever for one that is not. V8 takes code only under the flags that
 * were set when it was kept. What is answered calls `keep` under those that a start sets, and under those of `staySmall`.
 */
export function startShort(): (keep: () => void) => void {
  // Node brings these compiled, under its own flags: under others they are compiled anew, which takes 10 ms.
  if (isKnown()) for (const name of USED) process.getBuiltinModule(name);
  set([...SHORT, ...LARGE]);
  setTimeout(() => set(LONG), MOMENT).unref();
  return (keep) => {
    set(SHORT);
    keep();
    set(LARGE);
    keep();
  };
}

/** For a command that waits for engines more than it computes: a large fleet should not take more memory than it needs. */
export function staySmall(): void {
  set(SMALL);
}
