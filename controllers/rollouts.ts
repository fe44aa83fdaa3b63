/**
 * Remembers which replacements and changes in place failed, so that the next cycle does not try the same bad change on
 * the next runtime while the first one is in back-off. Lifted when that one has made it, needs it no more, or is to
 * become something else. In memory only: a new watch begins with a canary of its own.
 */
import type { Outcome } from "../src/model/outcome.ts";
import type { Change, Plan } from "../src/model/plan.ts";
import { ENGINE_SILENT, ROLLOUT_PAUSED } from "../src/model/outcome-codes.ts";
import type { PausedRollout } from "../src/model/rollout.ts";
import { isNoOp } from "./follow-up.ts";

export interface RolloutCycle {
  readonly plan: Plan;
  readonly outcomes: readonly Outcome[];
  /** True for addresses that this cycle was free to touch. */
  readonly free: (address: string) => boolean;
  /** True for addresses that have been as they should for so long that no failure of theirs is remembered. */
  readonly well: (address: string) => boolean;
}

export interface RolloutNews {
  /** Addresses whose failure pauses their rollout from now on. */
  readonly paused: readonly string[];
  /** True when something was not begun although nothing failed: who was to go first was busy, or changed meanwhile. */
  readonly unproved: boolean;
  /** Addresses that pause nothing any more: what waited for them can go on. */
  readonly lifted: readonly string[];
}

interface Failed extends PausedRollout {
  /** Where it was to be changed, to be known also once no plan mentions it. */
  readonly engine: string;
  /** The object that has what it failed with; null where it was to be replaced. */
  readonly changed: string | null;
}

export class RolloutPauses {
  readonly #failed = new Map<string, Failed>();

  list(): readonly PausedRollout[] {
    return [...this.#failed.values()];
  }

  /** It is to become something else, or was forgotten for another reason. */
  forget(address: string): void {
    this.#failed.delete(address);
  }

  learn({ plan, outcomes, free, well }: RolloutCycle): RolloutNews {
    const changes = new Map(plan.changes.map((change) => [change.address, change]));
    const known = [...this.#failed.keys()];
    const failed = outcomes
      .filter(({ status }) => status === "failed" || status === "rolled_back")
      .flatMap(({ address }): Failed[] => {
        const change = changes.get(address);
        const place = change?.rollout ?? null;
        const pauses = change !== undefined && place?.pauses === true && place.causes.length > 0;
        if (!pauses) return [];
        const changed = change.actions.includes("update") ? change.object_id : null;
        return [{ address, causes: place.causes, engine: engineOf(change), changed }];
      });
    const settled = [...this.#failed.values()]
      .filter(({ address }) => free(address))
      .filter((each) => {
        const unproved = each.changed !== null && !well(each.address) ? each.changed : undefined;
        return isSettled(each, changes.get(each.address), { plan, outcomes, unproved });
      })
      .map(({ address }) => address);
    for (const address of settled) this.#failed.delete(address);
    for (const each of failed) this.#failed.set(each.address, each);
    return {
      unproved: failed.length === 0 && isUnproved(outcomes, plan),
      paused: failed.map(({ address }) => address).filter((address) => !known.includes(address)),
      lifted: settled.filter((address) => !this.#failed.has(address)),
    };
  }
}

/** Whether something waits for a proof on an engine that answers: one that is silent would not give it soon either. */
function isUnproved(outcomes: readonly Outcome[], { changes }: Plan): boolean {
  const enginesWith = (code: string): string[] =>
    outcomes
      .filter(({ error }) => error?.code === code)
      .flatMap(({ address }) => changes.filter((each) => each.address === address))
      .map(engineOf);
  const silent = new Set(enginesWith(ENGINE_SILENT));
  return enginesWith(ROLLOUT_PAUSED).some((engine) => !silent.has(engine));
}

function isSettled(
  { address, engine }: Failed,
  change: Change | undefined,
  {
    plan,
    outcomes,
    unproved,
  }: Pick<RolloutCycle, "plan" | "outcomes"> & { readonly unproved: string | undefined },
): boolean {
  const done = outcomes.some((each) => each.address === address && each.status === "done");
  if (done) return true;
  // Who is blocked or held would still be replaced; and a plan does not say what it left out on an engine it did not see.
  const waits = [...plan.blocked, ...plan.held].some((each) => each.address === address);
  // What was not taken back is as declared at once: only that it stays well proves it, or that another took its place.
  if (unproved !== undefined && change?.object_id === unproved) return false;
  return !waits && isNoOp(change) && isObserved(plan, change === undefined ? engine : engineOf(change));
}

function engineOf({ backend, host }: Pick<Change, "backend" | "host">): string {
  return `${backend}@${host}`;
}

/** An engine elsewhere that is away says nothing about this one. */
function isObserved({ complete, observed }: Plan, engine: string): boolean {
  return complete || observed.some((each) => each.status === "complete" && engineOf(each) === engine);
}
