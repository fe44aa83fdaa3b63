import type { Clock } from "./clock.ts";

export interface TickerOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** Milliseconds; 0 and `Infinity` never tick. */
  readonly interval: number;
  /** Share of the interval by which each tick is early or late at most, so that many hosts never tick in step. */
  readonly jitter?: number;
}

/** Ticks until the answer is called. */
export function startTicker(options: TickerOptions, tick: () => void): () => void {
  const { clock, random, interval, jitter = 0.1 } = options;
  if (!Number.isFinite(interval) || interval <= 0) return () => {};
  let cancel: (() => void) | undefined;
  const arm = (): void => {
    const ms = interval * (1 - jitter + 2 * jitter * random());
    cancel = clock.setTimer(ms, () => {
      arm();
      tick();
    });
  };
  arm();
  return () => cancel?.();
}
