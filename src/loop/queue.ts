/**
 * The keyed work queue of the loop: in go keys, out come batches of keys to work on.
 * A key is handed out to one worker at a time; adds of a waiting key collapse; a key added while it is worked on
 * is handed out again afterwards. It knows keys only, never why they were added: the worker re-reads everything.
 */
import type { Clock } from "./clock.ts";

/** `low` waits for everything `normal`, but no longer than the queue's patience. */
export type Priority = "normal" | "low";

export interface QueueOptions {
  readonly clock: Clock;
  /** Milliseconds after which a `low` key overtakes `normal` ones. */
  readonly patience?: number;
}

interface Delayed {
  readonly at: number;
  readonly priority: Priority;
  readonly cancel: () => void;
}

interface Taker {
  readonly limit: number;
  readonly hand: (keys: readonly string[]) => void;
}

const DEFAULT_PATIENCE = 30_000;

export class WorkQueue implements Disposable {
  readonly #clock: Clock;
  readonly #patience: number;
  /** Key → since when it waits, oldest first. */
  readonly #ready: Readonly<Record<Priority, Map<string, number>>> = { normal: new Map(), low: new Map() };
  readonly #processing = new Set<string>();
  /** Added while being worked on. */
  readonly #again = new Map<string, Priority>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #takers: Taker[] = [];
  #closed = false;

  constructor(options: QueueOptions) {
    this.#clock = options.clock;
    this.#patience = options.patience ?? DEFAULT_PATIENCE;
  }

  /** Asks for the key to be worked on. Ignored once closed. */
  add(key: string, priority: Priority = "normal"): void {
    if (this.#closed) return;
    if (this.#processing.has(key)) {
      this.#again.set(key, higher(priority, this.#again.get(key)));
      return;
    }
    this.#enqueue(key, priority);
    this.#serve();
  }

  /** Adds the key after a delay. Of several delayed adds of one key the earliest counts. */
  addAfter(key: string, ms: number, priority: Priority = "normal"): void {
    if (this.#closed) return;
    const at = this.#clock.now() + Math.max(0, ms);
    const known = this.#delayed.get(key);
    known?.cancel();
    const due = known === undefined ? at : Math.min(at, known.at);
    const urgency = higher(priority, known?.priority);
    const cancel = this.#clock.setTimer(due - this.#clock.now(), () => {
      this.#delayed.delete(key);
      this.add(key, urgency);
    });
    this.#delayed.set(key, { at: due, priority: urgency, cancel });
  }

  /** Resolves with 1 to `limit` keys as soon as there are any, and with none once the queue is closed. */
  take(limit = 1): Promise<readonly string[]> {
    if (this.#closed) return Promise.resolve([]);
    return new Promise((hand) => {
      this.#takers.push({ limit, hand });
      this.#serve();
    });
  }

  /** Must be called once for each key taken. */
  done(key: string): void {
    if (!this.#processing.delete(key)) return;
    const again = this.#again.get(key);
    this.#again.delete(key);
    if (again !== undefined && !this.#closed) this.#enqueue(key, again);
    this.#serve();
  }

  /** Hands out nothing more; what waits is dropped, since the next start looks at everything anyway. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#again.clear();
    this.#ready.normal.clear();
    this.#ready.low.clear();
    for (const { hand } of this.#takers.splice(0)) hand([]);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #enqueue(key: string, priority: Priority): void {
    const { normal, low } = this.#ready;
    if (normal.has(key)) return;
    if (priority === "low") {
      if (!low.has(key)) low.set(key, this.#clock.now());
      return;
    }
    low.delete(key);
    normal.set(key, this.#clock.now());
  }

  #serve(): void {
    while (this.#takers.length > 0) {
      const next = this.#next();
      if (next === undefined) return;
      const taker = this.#takers.shift();
      if (taker === undefined) return;
      const keys = firstKeys(next.from, Math.min(taker.limit, next.most));
      for (const key of keys) {
        next.from.delete(key);
        this.#processing.add(key);
      }
      taker.hand(keys);
    }
  }

  /** One overdue `low` key at a time goes first, so that neither priority can starve the other. */
  #next(): { from: Map<string, number>; most: number } | undefined {
    const { normal, low } = this.#ready;
    const oldest = low.values().next();
    const overdue = oldest.done !== true && this.#clock.now() - oldest.value >= this.#patience;
    if (normal.size > 0) return overdue ? { from: low, most: 1 } : { from: normal, most: normal.size };
    return low.size > 0 ? { from: low, most: low.size } : undefined;
  }
}

function higher(a: Priority, b: Priority | undefined): Priority {
  return a === "normal" || b === "normal" ? "normal" : "low";
}

function firstKeys(map: ReadonlyMap<string, unknown>, count: number): string[] {
  const keys: string[] = [];
  for (const key of map.keys()) {
    if (keys.length >= count) break;
    keys.push(key);
  }
  return keys;
}
