import type { DriverEvent } from "../../drivers/driver.ts";
import { toError } from "../../errors.ts";
import { fullJitter } from "../backoff.ts";
import { type Clock, sleep } from "../clock.ts";

export interface EventFollower {
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Subscribes; the connection lives until the signal aborts or the stream ends. */
  readonly subscribe: (signal: AbortSignal) => Promise<AsyncIterable<DriverEvent>>;
  readonly changed: (address: string) => void;
  /** Something may have been missed: everything must be looked at. Also told after each subscription. */
  readonly gap: () => void;
  /** The stream is lost; the next attempt comes in `retry` milliseconds. */
  readonly lost: (error: Error, attempt: number, retry: number) => void;
}

const BASE_MS = 1000;
const CAP_MS = 60_000;
/** A stream that lived this long was no failed attempt. */
const STEADY_MS = 60_000;

/** Follows an engine's events until the signal aborts, and subscribes anew, ever more slowly, when they end. */
export async function followEvents(follower: EventFollower): Promise<void> {
  const { clock, signal } = follower;
  let attempt = 0;
  while (!signal.aborted) {
    const began = clock.now();
    const error = await followOnce(follower);
    if (signal.aborted) return;
    attempt = clock.now() - began >= STEADY_MS ? 1 : attempt + 1;
    const retry = fullJitter(attempt, BASE_MS, CAP_MS, follower.random);
    follower.lost(error, attempt, retry);
    await sleep(clock, retry, signal);
  }
}

async function followOnce({ signal, subscribe, changed, gap }: EventFollower): Promise<Error> {
  // A signal of its own for each attempt: what listens to it is gone with the attempt, over months of them.
  const attempt = new AbortController();
  const stop = (): void => attempt.abort();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const events = await subscribe(attempt.signal);
    gap();
    for await (const event of events) {
      if (event.kind === "changed") changed(event.address);
      else gap();
    }
    return new Error("the event stream ended");
  } catch (thrown) {
    return toError(thrown);
  } finally {
    signal.removeEventListener("abort", stop);
    attempt.abort();
  }
}
