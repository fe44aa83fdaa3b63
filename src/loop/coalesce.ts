import type { Clock } from "./clock.ts";

/** Collects keys for a fixed window that opens with the first one, then hands them over together. */
export class Coalesce implements Disposable {
  readonly #clock: Clock;
  readonly #window: number;
  readonly #flush: (keys: readonly string[]) => void;
  readonly #keys = new Set<string>();
  #cancel: (() => void) | undefined;

  /** `window` in milliseconds. */
  constructor(clock: Clock, window: number, flush: (keys: readonly string[]) => void) {
    this.#clock = clock;
    this.#window = window;
    this.#flush = flush;
  }

  add(key: string): void {
    this.#keys.add(key);
    this.#cancel ??= this.#clock.setTimer(this.#window, () => {
      const keys = [...this.#keys];
      this[Symbol.dispose]();
      this.#flush(keys);
    });
  }

  /** Forgets what was collected. */
  [Symbol.dispose](): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#keys.clear();
  }
}
