/**
 * Tells other processes whom watch leaves alone and why, so that `list` and `explain` can say why nothing happens.
 * It only words what the loop's own memory holds, and is written when that has changed.
 */
import type { Backoff } from "../src/loop/backoff.ts";
import type { EventSink } from "../src/model/event.ts";
import type { LeftAlone } from "../src/model/facts.ts";
import type { Outcome } from "../src/model/outcome.ts";
import { ROLLOUT_PAUSED } from "../src/model/outcome-codes.ts";
import type { Plan } from "../src/model/plan.ts";
import type { FleetState } from "../src/state/directory.ts";
import { recordLeftAlone } from "../src/state/left-alone.ts";
import { toError } from "../src/errors.ts";

/** Why an address is left alone, with what became of its last attempt. */
export function whyLeftAlone(backoff: Backoff, address: string): string {
  const last = backoff.why(address);
  if (!backoff.isStalled(address)) return last;
  return `started more than 3 times within 10 minutes; left alone until its settings change; the last time: ${last}`;
}

export class Attention {
  /** Address → why its replacement waits for another's success. */
  readonly #paused = new Map<string, string>();
  /** What the file says; undefined while it may still say what an earlier watch left there. */
  #told: string | undefined = "[]";
  /** One write at a time, in order. */
  #writing: Promise<void> = Promise.resolve();

  /** What a cycle found to wait for another's success; `free` are the addresses that it looked at. */
  waits(plan: Plan, outcomes: readonly Outcome[], free: (address: string) => boolean): void {
    for (const { address } of plan.changes) if (free(address)) this.#paused.delete(address);
    for (const { address, rule, why } of plan.blocked) if (rule === "rollout") this.#paused.set(address, why);
    for (const { address, error, reason } of outcomes) {
      if (error?.code === ROLLOUT_PAUSED) this.#paused.set(address, reason);
    }
  }

  /** A watch that begins leaves nothing alone, whatever one before it said. */
  async begin(state: FleetState, backoff: Backoff, now: number, sink: EventSink): Promise<void> {
    this.#told = undefined;
    await this.tell(state, backoff, now, sink);
  }

  async tell(state: FleetState, backoff: Backoff, now: number, sink: EventSink): Promise<void> {
    const left = this.#left(backoff, now);
    if (JSON.stringify(left) !== this.#told) await this.#write(state, left, now, sink);
  }

  /** To be called every LEFT_ALONE_BEAT_MS: says it again, so that others know that this watch still runs. */
  async beat(state: FleetState, backoff: Backoff, now: number, sink: EventSink): Promise<void> {
    const left = this.#left(backoff, now);
    if (left.length > 0) await this.#write(state, left, now, sink);
  }

  async #write(state: FleetState, left: readonly LeftAlone[], now: number, sink: EventSink): Promise<void> {
    this.#writing = this.#writing.then(() => this.#record(state, left, now, sink));
    await this.#writing;
  }

  async #record(state: FleetState, left: readonly LeftAlone[], now: number, sink: EventSink): Promise<void> {
    try {
      await recordLeftAlone(state, left, now);
      this.#told = JSON.stringify(left);
    } catch (thrown) {
      // Others then know less; what watch does is the same.
      const { message } = toError(thrown);
      sink.notify({ type: "note", level: "warn", code: "NOT_TOLD", message });
    }
  }

  #left(backoff: Backoff, now: number): LeftAlone[] {
    const waiting = [...backoff.waiting()].map((address): LeftAlone => {
      const why = whyLeftAlone(backoff, address);
      return backoff.isStalled(address)
        ? { address, state: "stalled", why, until: null }
        : { address, state: "back-off", why, until: Math.round(now + backoff.wait(address)) };
    });
    const known = new Set(waiting.map(({ address }) => address));
    const paused = [...this.#paused].flatMap(([address, why]): LeftAlone[] =>
      known.has(address) ? [] : [{ address, state: "paused", why, until: null }],
    );
    return [...waiting, ...paused].toSorted((a, b) => (a.address < b.address ? -1 : 1));
  }
}
