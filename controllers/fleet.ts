/**
 * What to do for a batch of keys: the key `fleet` looks at everything, an address only at its own runtime.
 * Level-triggered: whatever put the key in the queue, everything is read anew through `reconcile`, which also makes the
 * changes. Here is only decided which config is in force, who is left alone for now, and when to look again.
 */
import type { LoadedConfig } from "../src/config/index.ts";
import { SandkeepError } from "../src/errors.ts";
import type { Backoff } from "../src/loop/backoff.ts";
import type { Claims } from "../src/loop/claims.ts";
import type { Clock } from "../src/loop/clock.ts";
import type { WorkQueue } from "../src/loop/queue.ts";
import type { EventBody } from "../src/model/event.ts";
import type { PlanRequest } from "../src/model/intent.ts";
import type { Plan } from "../src/model/plan.ts";
import type { Engine, reconcile } from "../src/reconcile.ts";
import { fleetState } from "../src/state/directory.ts";
import type { Attention } from "./attention.ts";
import { whyLeftAlone } from "./attention.ts";
import type { ConfigKeeper } from "./config.ts";
import type { Attempt, FollowUp } from "./follow-up.ts";
import { followUps, isNoOp } from "./follow-up.ts";
import { inputOf } from "./input.ts";
import type { RolloutCycle, RolloutPauses } from "./rollouts.ts";

/** The key that stands for every address; no address is spelled so. */
export const FLEET = "fleet";

export interface FleetLoop {
  readonly engine: Engine;
  readonly reconcile: typeof reconcile;
  /** Which config was asked for. */
  readonly asked: Pick<PlanRequest, "file">;
  readonly config: ConfigKeeper;
  readonly clock: Clock;
  readonly queue: WorkQueue;
  /** Of addresses: failures and starts. */
  readonly backoff: Backoff;
  /** Of keys and engines: whole cycles that failed, whatever the runtimes do. */
  readonly cycles: Backoff;
  /** Replacements that failed and are not to be tried on others. */
  readonly rollouts: RolloutPauses;
  /** What others are told of whom is left alone. */
  readonly attention: Attention;
  /** Addresses that a cycle is changing, so that no two cycles ever work on one. */
  readonly claims: Claims;
  /** Once aborted, no new step starts. */
  readonly stop: AbortSignal;
  /** Told after each look at the whole fleet. */
  readonly looked?: () => void;
  /** Told when a config has proved good. */
  readonly adopted?: (loaded: LoadedConfig) => Promise<void>;
}

/** A retry or a look at a given time is never sooner than this, so that a clock that stands still spins nothing. */
const SOONEST_MS = 1000;

/** No engine tells when a run ends, so what waits for that is looked at this often. */
const SOON_MS = 30_000;
const ROUNDS = 5;

/** What the executor calls the steps that bring a runtime to life. */
const STARTS: ReadonlySet<string> = new Set(["create", "start"]);

type Reconciled = Awaited<ReturnType<typeof reconcile>>;

export async function workOn(loop: FleetLoop, keys: readonly string[]): Promise<void> {
  if (keys.includes(FLEET)) await lookAtFleet(loop);
  else await lookAtAddresses(loop, keys);
  for (const key of keys) loop.cycles.forget(key);
}

/** What a cycle threw never ends the loop: it is told and tried again, ever more slowly. */
export function cycleFailed(loop: FleetLoop, keys: readonly string[], error: Error): void {
  if (loop.stop.aborted) return;
  const code = error instanceof SandkeepError ? error.code : "INTERNAL";
  for (const key of keys) {
    const { attempt, delay } = loop.cycles.failed(key, { code }, error.message);
    loop.queue.addAfter(key, Math.max(delay, SOONEST_MS), "low");
    // Who waits for another process says so once and not at each try.
    if (code === "LEASE_HELD" && attempt > 1) continue;
    note(loop, code === "LEASE_HELD" ? "info" : "error", code, `${key}: ${error.message}; trying again`);
  }
}

/** One full cycle; the answer is the exit code of `watch --once`. */
export async function lookAtFleet(loop: FleetLoop): Promise<number> {
  const loaded = await loop.config.refresh();
  if (loaded === undefined) return 78;
  const code = await enforce(loop, loaded);
  loop.looked?.();
  return code;
}

async function enforce(loop: FleetLoop, loaded: LoadedConfig): Promise<number> {
  const isNew = loaded !== loop.config.good;
  const avoid = await parked(loop, loaded);
  let taken = loop.claims.taken();
  let done = await enforceOnce(loop, loaded, new Set([...avoid, ...taken]));
  // An address was taken by another cycle while this one planned: planned anew without it, nobody waits.
  for (let round = 1; round < ROUNDS && done.status === "declined"; round++) {
    taken = loop.claims.taken();
    done = await enforceOnce(loop, loaded, new Set([...avoid, ...taken]));
  }
  // What others are at, they may have seen under the config before.
  if (isNew && taken.size > 0) loop.queue.addAfter(FLEET, SOONEST_MS, "low");
  if (done.status === "applied") return done.result.exit_code;
  if (done.status === "declined") {
    loop.queue.addAfter(FLEET, SOONEST_MS, "low");
    return 0;
  }
  const fallback = loop.config.reject(loaded, done.diagnostics);
  if (fallback !== undefined) await enforce(loop, fallback);
  return 78;
}

async function enforceOnce(
  loop: FleetLoop,
  loaded: LoadedConfig,
  skip: ReadonlySet<string>,
): Promise<Reconciled> {
  let release: (() => void) | undefined;
  try {
    return await cycle(loop, FLEET, { intent: { mode: "apply" } }, loaded, skip, (plan) => {
      const changing = plan.changes.filter((change) => !isNoOp(change)).map(({ address }) => address);
      release = loop.claims.claimAll(changing);
      return Promise.resolve(release !== undefined);
    });
  } finally {
    release?.();
  }
}

async function lookAtAddresses(loop: FleetLoop, addresses: readonly string[]): Promise<void> {
  const loaded = loop.config.good;
  if (loaded === undefined) {
    loop.queue.add(FLEET);
    return;
  }
  const { keys: targets, release } = loop.claims.claimFree(ready(loop, addresses));
  try {
    if (targets.length === 0) return;
    // Orphans are removed by a look at the whole fleet only, where the guard can count them all.
    const request: PlanRequest = { intent: { mode: "apply", targets }, max_destroy: 0 };
    const done = await cycle(loop, targets.join(" "), request, loaded, new Set(), () =>
      Promise.resolve(true),
    );
    if (done.status === "invalid" || loaded !== loop.config.good) loop.queue.add(FLEET, "low");
  } finally {
    release();
  }
}

/** Addresses in back-off come again when it is over: a retry that is early by a hair must not be the last one. */
function ready({ backoff, queue }: FleetLoop, addresses: readonly string[]): string[] {
  return addresses.filter((address) => {
    const wait = backoff.wait(address);
    if (wait > 0 && Number.isFinite(wait)) queue.addAfter(address, wait);
    return wait === 0;
  });
}

/**
 * Addresses to be left alone: those in back-off and the stalled ones. They are planned without being changed, since
 * a new spec is a new beginning, and one that was mended by hand is to be forgotten in time.
 */
async function parked(loop: FleetLoop, loaded: LoadedConfig): Promise<ReadonlySet<string>> {
  const targets = [...loop.backoff.waiting()];
  if (targets.length === 0) return new Set();
  const request: PlanRequest = { ...loop.asked, intent: { mode: "apply", targets } };
  const seen = await loop.reconcile(loop.engine, request, {
    approve: () => Promise.resolve(false),
    loaded,
    unattended: true,
    signal: loop.stop,
  });
  if (seen.status === "invalid") return new Set(targets);
  const { plan } = seen;
  const changes = new Map(plan.changes.map((change) => [change.address, change]));
  const putOff = new Set([...plan.blocked, ...plan.held].map(({ address }) => address));
  for (const address of targets) {
    const change = changes.get(address);
    // Its engine may be the one that could not be seen; one that is away says nothing of the others.
    if (change === undefined && !plan.complete) continue;
    if (putOff.has(address)) loop.backoff.ailing(address);
    else if (loop.backoff.renew(address, inputOf(change, plan))) loop.rollouts.forget(address);
    else if (isNoOp(change)) loop.backoff.healthy(address);
    else loop.backoff.ailing(address);
  }
  return loop.backoff.waiting();
}

async function cycle(
  loop: FleetLoop,
  key: string,
  request: PlanRequest,
  loaded: LoadedConfig,
  skip: ReadonlySet<string>,
  approve: (plan: Plan) => Promise<boolean>,
): Promise<Reconciled> {
  const { engine, clock, backoff } = loop;
  const targets = request.intent.mode === "apply" ? request.intent.targets : undefined;
  const care = { skip, paused: loop.rollouts.list(), nearby: targets !== undefined, unattended: true };
  const began = clock.now();
  const started = new Set<string>();
  const notify = (event: EventBody): void => {
    if (event.type === "step.finished" && event.status === "done" && STARTS.has(event.op)) {
      started.add(event.address);
    }
    engine.sink.notify(event);
  };
  const done = await loop.reconcile(
    { ...engine, sink: { notify } },
    { ...loop.asked, ...request },
    { ...care, approve, loaded, signal: loop.stop },
  );
  if (done.status === "invalid") return done;
  // Only a look at the fleet brings a config. Another may have come into force while some addresses were looked at.
  if (targets === undefined && loaded !== loop.config.good) {
    loop.config.accept(loaded);
    await loop.adopted?.(loaded);
  }
  if (done.status === "declined") return done;
  const { plan, result } = done;
  engine.sink.notify({
    type: "watch.cycle",
    key,
    plan_id: plan.plan_id,
    changes: plan.changes.filter((change) => !isNoOp(change)).length,
    exit_code: result.exit_code,
    duration_ms: clock.now() - began,
  });
  if (loop.stop.aborted) return done;
  const watched = (targets ?? backoff.known()).filter((address) => !skip.has(address));
  for (const each of followUps({ plan, result, started, watched })) follow(loop, each);
  const free = (address: string): boolean => !skip.has(address) && (targets?.includes(address) ?? true);
  pause(loop, { plan, outcomes: result.outcomes, free, well: (each) => !backoff.known().includes(each) });
  loop.attention.waits(plan, result.outcomes, free);
  const { fleet } = plan.source;
  await loop.attention.tell(fleetState(engine.stateDir, fleet), backoff, engine.now(), engine.sink);
  return done;
}

/** What waited for a success is looked at as soon as that came; nothing else wakes it. */
function pause(loop: FleetLoop, done: RolloutCycle): void {
  const { paused, lifted, unproved } = loop.rollouts.learn(done);
  if (unproved) loop.queue.addAfter(FLEET, SOONEST_MS, "low");
  for (const address of paused) {
    note(loop, "warn", "ROLLOUT_PAUSED", `${address} failed; nothing else is changed for the same cause`);
  }
  for (const address of lifted) {
    note(loop, "info", "ROLLOUT_GOES_ON", `${address} holds up no other any more`);
    loop.queue.add(FLEET, "low");
  }
}

function follow(loop: FleetLoop, next: FollowUp): void {
  const { backoff, cycles, engine, queue } = loop;
  switch (next.kind) {
    case "started":
      if (backoff.started(next.address, next.input, next.why)) stalled(loop, next.address);
      return;
    case "failed":
      if (!backoff.isStalled(next.address)) retry(loop, next);
      return;
    case "healthy":
      backoff.healthy(next.address);
      return;
    case "again":
      queue.addAfter(next.address, Math.max(SOONEST_MS, next.at - engine.now()));
      return;
    case "soon":
      queue.addAfter(next.address, SOON_MS, "low");
      return;
    case "unobserved": {
      const { attempt, delay } = cycles.failed(next.engine, {}, next.why);
      queue.addAfter(FLEET, Math.max(SOONEST_MS, delay), "low");
      if (attempt === 1)
        note(loop, "warn", "ENGINE_UNOBSERVED", `${next.engine}: ${next.why}; left as it is`);
      return;
    }
    case "observed":
      if (cycles.isKnown(next.engine)) note(loop, "info", "ENGINE_OBSERVED", `${next.engine} answers again`);
      cycles.forget(next.engine);
  }
}

function retry(loop: FleetLoop, { address, input, why }: Attempt): void {
  const { attempt, delay } = loop.backoff.failed(address, input, why);
  loop.queue.addAfter(address, delay);
  loop.engine.sink.notify({ type: "watch.backoff", address, attempt, retry_in_ms: Math.round(delay), why });
}

function stalled(loop: FleetLoop, address: string): void {
  const why = whyLeftAlone(loop.backoff, address);
  loop.engine.sink.notify({ type: "watch.stalled", address, why });
}

function note(loop: FleetLoop, level: "info" | "warn" | "error", code: string, message: string): void {
  loop.engine.sink.notify({ type: "note", level, code, message });
}
