import { SandkeepError } from "../errors.ts";
import type { ObserveScope } from "../drivers/driver.ts";
import { standing } from "../diff/situation.ts";
import { slotOf } from "../model/names.ts";
import type { Observation, ObservedRuntime } from "../model/observed.ts";
import type { Change, GraphNode, Plan } from "../model/plan.ts";
import { engineKey } from "../observe/engines.ts";
import type { ImageFact } from "../observe/images.ts";
import { imageKey } from "../observe/images.ts";
import { observedDigest } from "../plan/change.ts";
import { getPath } from "../util/json-path.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import type { ApplyContext, ChangeRun } from "./context.ts";

/** What is there is not what the plan was made for: nothing was done, and a new plan will tell. */
export class Stale extends Error {
  override readonly name = "Stale";
}

/** Steps that disturb something which exists. */
const DISTURBING: ReadonlySet<GraphNode["op"]> = new Set([
  "collect",
  "stop",
  "salvage",
  "remove",
  "update",
  "rename",
  "start",
]);

/**
 * The check before a change first disturbs what it found: still the same object, still as planned, and not come
 * into use since. Taken under the address lock, so that no run can start between the check and the step.
 */
export function preconditionGuard(run: ChangeRun, context: ApplyContext): (node: GraphNode) => Promise<void> {
  let checked = false;
  let told = false;
  const check = async (node: GraphNode): Promise<void> => {
    if (checked || node.compensates) return;
    if (run.change.precondition.object_id === null) {
      if (run.created === undefined) return;
      await beFirst(run, run.created, context);
      checked = true;
      return;
    }
    if (!disturbs(node, run.change)) return recheckLeftover(node, run, context);
    run.lock ??= await context.lockAddress(run.change.address);
    await recheck(run, node, context);
    checked = true;
  };
  return async (node) => {
    await check(node);
    if (told || node.compensates || !TAKING.has(node.op) || !disturbs(node, run.change)) return;
    if (run.change.precondition.object_id === null) return;
    told = true;
    await context.disrupt(run.change);
  };
}

/** After these, what still ran has nowhere to run. */
const TAKING: ReadonlySet<GraphNode["op"]> = new Set(["stop", "rename", "remove"]);

/** A dormancy mark says that its runtime goes, so it is set under the same check. */
function disturbs(node: GraphNode, { precondition }: Change): boolean {
  if (node.op === "mark") return node.dormant;
  return DISTURBING.has(node.op) && "object_id" in node && node.object_id === precondition.object_id;
}

/**
 * Who holds `.new` alone may make the address, but another may have finished just before it was taken: looked at
 * again before the new one comes to life, so that there are never two.
 */
async function beFirst(run: ChangeRun, created: string, context: ApplyContext): Promise<void> {
  const { change, driver } = run;
  const scope = onlyRuntimes(context.scope(engineKey(change)), change);
  // Who finished has the canonical name, and nobody else can be on the way to it.
  const seen = await driver.observe({ ...scope, only: "canonical" });
  context.calls.read += 1;
  if (seen.status === "unobserved") {
    throw new SandkeepError(`${engineKey(change)}: ${seen.message}`, {
      code: "BACKEND_UNOBSERVED",
      kind: seen.kind,
      blame: "backend",
      ...(seen.hint === undefined ? {} : { hint: seen.hint }),
    });
  }
  const other = seen.runtimes.find((each) => each.labels.role === "primary" && each.object_id !== created);
  if (other !== undefined) throw new Stale("it exists since the plan");
}

/** Where nothing matters but the runtimes of one address. */
export function onlyRuntimes(
  scope: ObserveScope,
  { name, address }: Pick<Change, "name" | "address">,
): ObserveScope {
  return { ...scope, names: [name], addresses: [address], only: "runtimes" };
}

/**
 * A leftover that is put right is looked at again as well: it may have come into use under its odd name. What runs in
 * the `.new` or `.old` of an interrupted replacement is at most its own setup, and nobody waits for that.
 */
async function recheckLeftover(node: GraphNode, run: ChangeRun, context: ApplyContext): Promise<void> {
  if (!DISTURBING.has(node.op) || !("object_id" in node) || node.object_id === null) return;
  run.lock ??= await context.lockAddress(run.change.address);
  const seen = await run.driver.inspect(node.object_id);
  context.calls.read += 1;
  if (seen === undefined) return;
  if (seen.labels.address !== run.change.address) throw new Stale("a leftover of it is something else now");
  const stray = slotOf(seen.name, run.change.name) === undefined;
  if (stray && seen.execs > 0 && !changedByPerson(context.plan))
    throw new Stale("a leftover of it came into use since the plan");
}

/** Steps after which nobody can go on working in the runtime as it was. */
const ENDING: ReadonlySet<GraphNode["op"]> = new Set([
  "collect",
  "stop",
  "salvage",
  "remove",
  "rename",
  "mark",
]);

async function recheck(run: ChangeRun, node: GraphNode, context: ApplyContext): Promise<void> {
  const { change } = run;
  const { object_id } = change.precondition;
  if (object_id === null) return;
  const seen = await run.driver.inspect(object_id);
  if (seen === undefined) throw new Stale("it was removed since the plan");
  compare(change, seen);
  if (changedByPerson(context.plan) || !ENDING.has(node.op)) return;
  const use = await context.useOf(change.address);
  const planned = change.impact.busy > 0;
  if (!planned && (use.open || seen.execs > 0)) throw new Stale("it came into use since the plan");
  // A use that is over again matters only to what goes because nobody used it.
  if (wasUnused(change) && use.last >= Date.parse(context.plan.created_at)) {
    throw new Stale("it was used since the plan");
  }
}

function wasUnused(change: Change): boolean {
  return change.reasons.some((each) => each.path === "idle" || each.path === "age");
}

/** A person who named it wants it done, busy or not. */
export function changedByPerson(plan: Plan): boolean {
  return plan.mode === "recreate" || plan.mode === "destroy";
}

function compare(change: Change, seen: ObservedRuntime): void {
  const { spec_hash, observed_digest } = change.precondition;
  if (spec_hash !== null && seen.labels.spec_hash !== spec_hash)
    throw new Stale("it has another spec since the plan");
  if (observed_digest !== null && observedDigest(seen) !== observed_digest) {
    throw new Stale("it was changed since the plan");
  }
}

/** A plan carried to another fleet's folder would be applied past its own fleet's lease and holds. */
export function assertSameFleet(plan: Plan, config: LoadedFleet | undefined): void {
  const { fleet, fleet_id } = plan.source;
  if (config === undefined) return;
  if (config.fleet.fleet === fleet && (config.fleet.fleet_id ?? null) === fleet_id) return;
  throw new SandkeepError(
    `this plan is of fleet ${fleet}, and the config here is of fleet ${config.fleet.fleet}`,
    {
      code: "PLAN_OF_ANOTHER_FLEET",
      hint: "apply it where its own config is, or name that config with --file",
      exitCode: 64,
    },
  );
}

/** The changes of a saved plan that no longer fit what is there, with why. */
export function staleChanges(
  plan: Plan,
  observations: readonly Observation[],
  images: ReadonlyMap<string, ImageFact>,
  owner: string,
  now: number,
): Map<Change, string> {
  const stale = new Map<Change, string>();
  for (const change of plan.changes) {
    if (change.actions[0] === "no-op") continue;
    const why = staleness(change, observations, owner, now) ?? staleImage(change, plan, images);
    if (why !== undefined) stale.set(change, why);
  }
  return stale;
}

/** For a saved plan: why a change no longer fits what is there now, or undefined when it does. */
function staleness(
  change: Change,
  observations: readonly Observation[],
  owner: string,
  now: number,
): string | undefined {
  const observation = observations.find(
    (each) => each.backend === change.backend && each.host === change.host,
  );
  if (observation?.status !== "complete") return "its engine cannot be observed";
  const { object_id } = change.precondition;
  const objects = observation.runtimes.filter((each) => each.labels.address === change.address);
  const primaries = objects.filter((each) => each.labels.role === "primary");
  const passing = objects.find((each) => each.labels.role !== "primary" && each.object_id === object_id);
  if (passing !== undefined) return difference(change, passing);
  const { current, others } = standing(change.name, primaries, owner, now);
  if (others !== undefined) return "another sandkeep is creating it";
  if (object_id === null) return current === undefined ? undefined : "it exists since the plan";
  if (current?.object_id !== object_id) return "it was replaced or removed since the plan";
  return difference(change, current);
}

/** An image that was there when the plan was made and is gone: what replaces it would be another plan. */
function staleImage(change: Change, plan: Plan, images: ReadonlyMap<string, ImageFact>): string | undefined {
  const makes = change.actions.includes("create") || change.actions.includes("recreate");
  const values = change.spec_key === null ? undefined : plan.specs[change.spec_key]?.values;
  if (!makes || values === undefined) return undefined;
  const ref = getPath(values, `${change.backend}.image`);
  // Under the other policies "absent" speaks of what a tag means by now, not of what was planned.
  const gone = plan.images.find(
    (each) =>
      each.present &&
      each.ref === ref &&
      (each.policy === "missing" || each.policy === "never") &&
      images.get(imageKey(each))?.state.status === "absent",
  );
  return gone === undefined ? undefined : `the engine no longer has its image ${gone.ref}`;
}

function difference(change: Change, current: ObservedRuntime): string | undefined {
  try {
    compare(change, current);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Stale) return thrown.message;
    throw thrown;
  }
}
