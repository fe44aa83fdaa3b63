import type { Clock } from "../../src/loop/clock.ts";
import type { WorkQueue } from "../../src/loop/queue.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time that passes only when told to. */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  #timers: Timer[] = [];

  now(): number {
    return this.#now;
  }

  setTimer(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  get pending(): number {
    return this.#timers.length;
  }

  /** Lets time pass and runs what falls due on the way, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#due(end); next !== undefined; next = this.#due(end)) {
      const due = next;
      this.#timers = this.#timers.filter((each) => each !== due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
    }
    this.#now = end;
  }

  #due(end: number): Timer | undefined {
    return this.#timers
      .filter((timer) => timer.at <= end)
      .toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
  }
}

/** Lets promises that are settled run what waits for them. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** What waits in the queue, in its order; nothing is left of it then. A last key shows where it ends. */
export async function rest(queue: WorkQueue): Promise<string[]> {
  const last = " last";
  queue.add(last, "low");
  const keys: string[] = [];
  while (keys.at(-1) !== last) keys.push(...(await queue.take(3)));
  return keys.slice(0, -1);
}
