import type { Clock } from "./clock.ts";

export interface DebounceOptions {
  readonly clock: Clock;
  /** Milliseconds without a poke before it fires; read at each poke. */
  readonly quiet: number;
  /** Milliseconds after the first poke at which it fires in any case: constant writes never starve it. */
  readonly most: number;
}

/** Fires once for a burst of pokes. */
export class Debounce implements Disposable {
  readonly #options: DebounceOptions;
  readonly #fire: () => void;
  #cancel: (() => void) | undefined;
  #deadline: number | undefined;

  constructor(options: DebounceOptions, fire: () => void) {
    this.#options = options;
    this.#fire = fire;
  }

  poke(): void {
    const { clock, quiet, most } = this.#options;
    const now = clock.now();
    this.#deadline ??= now + most;
    this.#cancel?.();
    this.#cancel = clock.setTimer(Math.max(0, Math.min(quiet, this.#deadline - now)), () => {
      this[Symbol.dispose]();
      this.#fire();
    });
  }

  /** Forgets what was poked. */
  [Symbol.dispose](): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#deadline = undefined;
  }
}
