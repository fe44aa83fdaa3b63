import { elapsed } from "../util/elapsed.ts";
import { LONGEST_TIMER_MS } from "../util/timer.ts";

/** Time as the loop sees it; tests hand in a virtual one. */
export interface Clock {
  /** Milliseconds from any fixed point; never jumps. */
  now(): number;
  /** Runs once after `ms`; the answer cancels it. */
  setTimer(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: elapsed,
  setTimer(ms, run) {
    let timer: NodeJS.Timeout;
    const arm = (left: number): void => {
      const part = Math.min(left, LONGEST_TIMER_MS);
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
