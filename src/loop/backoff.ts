/**
 * Remembers which keys fail and which keep being started, and says which are to be left alone for now.
 * Everything is per key and *input* (what the last attempt tried to reach): another input is a new beginning.
 */
import type { Clock } from "./clock.ts";

/**
 * What an attempt tries to reach, part by part. What is not known at the moment is left out: a part that only one of two
 * inputs has makes no other input of it, or who forgets and learns again would always begin anew.
 */
export type Input = Readonly<Record<string, string>>;

export interface BackoffOptions {
  readonly clock: Clock;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Milliseconds. */
  readonly base?: number;
  /** Milliseconds. */
  readonly cap?: number;
  /** More starts than this within `window` stall a key. */
  readonly starts?: number;
  /** Milliseconds: for counting starts, and of health after which all is forgotten. */
  readonly window?: number;
}

export interface Retry {
  /** 1 for the first failure. */
  readonly attempt: number;
  /** Milliseconds. */
  readonly delay: number;
}

interface Entry {
  /** All parts that were ever told. */
  input: Input;
  /** Of the last attempt, for people. */
  why: string;
  attempts: number;
  readyAt: number;
  /** Times of the latest starts, at most `starts` + 1 of them. */
  starts: number[];
  stalled: boolean;
  healthySince: number | undefined;
}

/** Full jitter: anything from nothing to the doubled base, capped. */
export function fullJitter(attempt: number, base: number, cap: number, random: () => number): number {
  return random() * Math.min(cap, base * 2 ** Math.min(attempt - 1, 30));
}

export class Backoff {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #base: number;
  readonly #cap: number;
  readonly #most: number;
  readonly #window: number;
  readonly #entries = new Map<string, Entry>();

  constructor(options: BackoffOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#base = options.base ?? 1000;
    this.#cap = options.cap ?? 300_000;
    this.#most = options.starts ?? 3;
    this.#window = options.window ?? 600_000;
  }

  /** An attempt failed, and why: how long to leave the key alone. */
  failed(key: string, input: Input, why: string): Retry {
    const entry = this.#entry(key, input, why);
    entry.attempts += 1;
    entry.healthySince = undefined;
    const delay = fullJitter(entry.attempts, this.#base, this.#cap, this.#random);
    entry.readyAt = this.#clock.now() + delay;
    return { attempt: entry.attempts, delay };
  }

  /** The key was started or made anew, and why; `true` when that is once too often and it is stalled now. */
  started(key: string, input: Input, why: string): boolean {
    const entry = this.#entry(key, input, why);
    const now = this.#clock.now();
    entry.starts = [...entry.starts.filter((at) => now - at < this.#window), now].slice(-this.#most - 1);
    entry.healthySince = undefined;
    if (entry.stalled || entry.starts.length <= this.#most) return false;
    entry.stalled = true;
    return true;
  }

  /** The key was seen as it should be, or not to exist any more. After a whole window of that it is forgotten. */
  healthy(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const now = this.#clock.now();
    entry.healthySince ??= now;
    if (now - entry.healthySince >= this.#window) this.#entries.delete(key);
  }

  /** The key was seen to need work, whatever came of it. */
  ailing(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.healthySince = undefined;
  }

  /** Tells what the key is to become; what was remembered for another input is forgotten, and then the answer is `true`. */
  renew(key: string, input: Input): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    if (isOther(entry.input, input)) return this.#entries.delete(key);
    entry.input = { ...entry.input, ...input };
    return false;
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }

  /** All keys something is remembered of. */
  known(): readonly string[] {
    return [...this.#entries.keys()];
  }

  isKnown(key: string): boolean {
    return this.#entries.has(key);
  }

  isStalled(key: string): boolean {
    return this.#entries.get(key)?.stalled === true;
  }

  /** What was told of the last attempt; empty when nothing is remembered. */
  why(key: string): string {
    return this.#entries.get(key)?.why ?? "";
  }

  /** Milliseconds until the key may be tried; 0 when it may be now, `Infinity` when it is stalled. */
  wait(key: string): number {
    const entry = this.#entries.get(key);
    if (entry === undefined) return 0;
    return entry.stalled ? Infinity : Math.max(0, entry.readyAt - this.#clock.now());
  }

  /** Keys to be left alone now. */
  waiting(): ReadonlySet<string> {
    return new Set(this.known().filter((key) => this.wait(key) > 0));
  }

  #entry(key: string, input: Input, why: string): Entry {
    this.renew(key, input);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.why = why;
      return known;
    }
    const made: Entry = {
      input,
      why,
      attempts: 0,
      readyAt: 0,
      starts: [],
      stalled: false,
      healthySince: undefined,
    };
    this.#entries.set(key, made);
    return made;
  }
}

function isOther(known: Input, input: Input): boolean {
  return Object.entries(input).some(([part, value]) => (known[part] ?? value) !== value);
}
