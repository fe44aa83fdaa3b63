/**
 * Which keys somebody is working on, where one worker may work on many at once. Nobody ever waits for a claim:
 * who finds a key taken does without it, and is told once it is free.
 */
export class Claims {
  readonly #held = new Set<string>();
  readonly #wanted = new Set<string>();
  readonly #freed: (key: string) => void;

  /** `freed` is told of keys that were released and had been asked for meanwhile. */
  constructor(freed: (key: string) => void) {
    this.#freed = freed;
  }

  /** Keys that are claimed now; all of them are told of once they are free. */
  taken(): ReadonlySet<string> {
    for (const key of this.#held) this.#wanted.add(key);
    return new Set(this.#held);
  }

  /** Claims those that are free. */
  claimFree(keys: readonly string[]): { readonly keys: readonly string[]; readonly release: () => void } {
    const free = keys.filter((key) => !this.#held.has(key));
    for (const key of keys) if (this.#held.has(key)) this.#wanted.add(key);
    return { keys: free, release: this.#hold(free) };
  }

  /** Claims all or, with `undefined`, none. */
  claimAll(keys: readonly string[]): (() => void) | undefined {
    return keys.some((key) => this.#held.has(key)) ? undefined : this.#hold(keys);
  }

  #hold(keys: readonly string[]): () => void {
    const mine = new Set(keys);
    for (const key of mine) this.#held.add(key);
    return () => {
      for (const key of mine) {
        this.#held.delete(key);
        if (this.#wanted.delete(key)) this.#freed(key);
      }
      mine.clear();
    };
  }
}
