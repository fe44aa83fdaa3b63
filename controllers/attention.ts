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

export class Attention {
  /** Why each address failed or stalled last. */
  readonly #whys = new Map<string, string>();
  /** Address → why its replacement waits for another's success. */
  readonly #paused = new Map<string, string>();
  #told = "[]";

  because(address: string, why: string): void {
    this.#whys.set(address, why);
  }

  /** What a cycle found to wait for another's success; `free` are the addresses that it looked at. */
  waits(plan: Plan, outcomes: readonly Outcome[], free: (address: string) => boolean): void {
    for (const { address } of plan.changes) if (free(address)) this.#paused.delete(address);
    for (const { address, rule, why } of plan.blocked) if (rule === "rollout") this.#paused.set(address, why);
    for (const { address, error, reason } of outcomes) {
      if (error?.code === ROLLOUT_PAUSED) this.#paused.set(address, reason);
    }
  }

  async tell(state: FleetState, backoff: Backoff, now: number, sink: EventSink): Promise<void> {
    const left = this.#left(backoff, now);
    const text = JSON.stringify(left);
    if (text === this.#told) return;
    try {
      await recordLeftAlone(state, left);
      this.#told = text;
    } catch (thrown) {
      // Others then know less; what watch does is the same.
      const { message } = toError(thrown);
      sink.notify({ type: "note", level: "warn", code: "NOT_TOLD", message });
    }
  }

  #left(backoff: Backoff, now: number): LeftAlone[] {
    const waiting = [...backoff.waiting()].map((address): LeftAlone => {
      const why = this.#whys.get(address) ?? "its last attempt failed";
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
