import { elapsed } from "../util/elapsed.ts";

/** Time as the loop sees it; tests hand in a virtual one. */
export interface Clock {
  /** Milliseconds from any fixed point; never jumps. */
  now(): number;
  /** Runs once after `ms`; the answer cancels it. */
  setTimer(ms: number, run: () => void): () => void;
}

/** Node fires a longer timer at once. */
const LONGEST_TIMER = 2_147_483_647;

export const systemClock: Clock = {
  now: elapsed,
  setTimer(ms, run) {
    let timer: NodeJS.Timeout;
    const arm = (left: number): void => {
      const part = Math.min(left, LONGEST_TIMER);
      timer = setTimeout(() => (left > part ? arm(left - part) : run()), part);
    };
    // Node cuts fractions off, and a timer must never be early.
    arm(Math.ceil(Math.max(0, ms)));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`, or at once when the signal aborts; `true` when the time has passed. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const stop = (): void => {
      cancel();
      resolve(false);
    };
    const cancel = clock.setTimer(ms, () => {
      signal.removeEventListener("abort", stop);
      resolve(true);
    });
    signal.addEventListener("abort", stop, { once: true });
  });
}
