import type { LoadedConfig } from "../config/index.ts";
import type { Decision } from "../diff/diff.ts";
import { deferralKey } from "../diff/diff.ts";
import type { Driver } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { PlanRequest } from "../model/intent.ts";
import type { JsonObject } from "../model/json.ts";
import type { EventFacts } from "../model/recorded-event.ts";
import { knownExit } from "../model/recorded-event.ts";
import type { ApplyResult } from "../model/outcome.ts";
import type { Change, Plan } from "../model/plan.ts";
import { isFor } from "../model/secret-use.ts";
import type { Spec } from "../model/spec.ts";
import type { SecretUse } from "../model/settings.ts";
import type { EngineRef } from "../observe/engines.ts";
import { engineKey } from "../observe/engines.ts";
import { scopeOf } from "../observe/observe.ts";
import type { Engine } from "../plan/engine.ts";
import { driverDeps, secretIo } from "../plan/engine.ts";
import { ensureFingerprintKey } from "../plan/secrets.ts";
import type { Survey } from "../plan/survey.ts";
import { fleetOf } from "../plan/survey.ts";
import type { Invalid, LoadedFleet } from "../policy/fleet.ts";
import { resolveSecret } from "../resolve/secrets.ts";
import { forgetActivity, readActivity } from "../state/activity.ts";
import { sweepBundles } from "../state/bundles.ts";
import { lockAddress } from "../state/address-lock.ts";
import { recordDeferred } from "../state/deferred.ts";
import type { FleetState } from "../state/directory.ts";
import { fleetState, ownerId } from "../state/directory.ts";
import { endpointOf } from "../observe/endpoints.ts";
import { disruptRuns } from "../state/disruption.ts";
import { forgetEndpoints, rememberEndpoints } from "../state/endpoints.ts";
import { recordEvents } from "../state/events.ts";
import { openJournal } from "../state/journal.ts";
import { readHolds, WHOLE_FLEET } from "../state/holds.ts";
import type { Lease } from "../state/lease.ts";
import { acquireLease } from "../state/lease.ts";
import { readOpenRuns, sweepOpenRuns } from "../state/open-runs.ts";
import { recordPulled } from "../state/pulled-images.ts";
import { readSightings, recordSightings } from "../state/sightings.ts";
import { keepUpdates, recordUpdate } from "../state/updates.ts";
import { apply } from "./apply.ts";
import { keepCaches, withCaches } from "./prune-caches.ts";

export { assertSameFleet, staleChanges } from "./precondition.ts";

/** A run that is just starting holds the address for a moment only. */
const ADDRESS_WAIT_MS = 5_000;

export interface TakeOptions {
  /** A config that is already loaded, such as the last good one. */
  readonly loaded?: LoadedConfig;
  /** Milliseconds to wait for another sandkeep that works on this fleet. */
  readonly waitMs?: number;
}

/** Becomes the fleet's single writer in this state directory, until the lease is disposed. */
export async function takeFleet(
  engine: Engine,
  request: PlanRequest,
  options: TakeOptions,
): Promise<{ readonly lease: Lease; readonly config: LoadedFleet | undefined } | Invalid> {
  const config = await fleetOf(engine, request, options.loaded);
  if (config?.status === "invalid") return config;
  const state = fleetState(engine.stateDir, config?.fleet.fleet ?? request.fleet ?? "");
  const lease = await acquireLease(state, { now: () => engine.now(), waitMs: options.waitMs ?? 0 });
  await ownerId(engine.stateDir);
  await ensureFingerprintKey(engine);
  await sweepOpenRuns(state, engine.now());
  return { lease, config };
}

export interface SessionInput {
  readonly engine: Engine;
  readonly seen: Survey;
  readonly lease: Lease;
  readonly stale: ReadonlyMap<Change, string>;
  readonly parallelism: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Opens what an apply needs, carries the plan out, and closes it all again whatever happens. */
export async function applyPlan(plan: Plan, input: SessionInput): Promise<ApplyResult> {
  const { engine, seen, lease } = input;
  const { state } = seen;
  const used = new Set(plan.graph.map((node) => engineKey(node)));
  const engines = seen.engines.filter((ref) => used.has(engineKey(ref)));
  const drivers = new Map<string, Driver>();
  const made = new Set<string>();
  try {
    // Remembered before anything is made there: a killed apply must be found again.
    await rememberEndpoints(
      state,
      engines.map((ref) => endpointOf(ref)),
    );
    for (const ref of engines) await openInto(drivers, ref, input);
    if (plan.graph.some((node) => node.op === "salvage")) await sweepBundles(state);
    const now = (): number => engine.now();
    const assertHeld = (): Promise<void> => lease.assertHeld();
    await using journal = await openJournal(state, { planId: plan.plan_id, now, sink: engine.sink });
    const began = engine.wait.elapsed();
    const applied = await apply({
      plan,
      drivers,
      modules: seen.modules,
      scope: (key) => scopeOf(seen.scope, key),
      observedSpec: observedSpecs(seen),
      owner: await ownerId(engine.stateDir),
      now,
      wait: engine.wait,
      sink: engine.sink,
      journal,
      assertHeld,
      lockAddress: (address) => lockAddress(state, address, { waitMs: ADDRESS_WAIT_MS }),
      useOf: (address) => useOf(state, address, engine.now()),
      disrupt: (change) => disrupt(input, plan, change),
      heldNow: (address) => heldNow(state, address, engine.now()),
      secretsFor: (change, values, use, also) => secretsFor(input, change, values, use, also),
      readableSecrets: (change) => readableSecrets(input, change),
      pulled: (image) => recordPulled(state, image, engine.now()),
      updated: (objectId, values) => recordUpdate(state, objectId, values),
      state,
      stateDir: engine.stateDir,
      env: engine.env,
      stages: engine.stages,
      made,
      calls: { read: seen.reads, write: 0 },
      parallelism: input.parallelism,
      signal: input.signal,
      stale: input.stale,
    });
    // None is begun once it was asked to end.
    const cut =
      input.signal?.aborted === true ? [] : await keepCaches(plan, { engine, seen, journal, assertHeld });
    const result = withCaches(applied, cut);
    await recordEvents(state, eventsOf(plan, result, engine.wait.elapsed() - began), engine.now());
    return result;
  } finally {
    await recordMade(state, made, engine.now());
    await Promise.allSettled([...drivers.values()].map((driver) => driver[Symbol.asyncDispose]()));
  }
}

function observedSpecs({ observations }: Survey): (objectId: string) => Spec | undefined {
  const runtimes = observations.flatMap((each) => (each.status === "complete" ? each.runtimes : []));
  const specs = new Map(runtimes.map(({ object_id, labels }) => [object_id, labels.spec]));
  return (objectId) => specs.get(objectId);
}

function eventsOf({ mode, changes }: Plan, result: ApplyResult, took: number): EventFacts[] {
  const { outcomes, summary, exit_code } = result;
  const actions = new Map(changes.map(({ address, actions: each }) => [address, each]));
  const ended = outcomes.map(({ address, status, duration_ms }): EventFacts => {
    const [first = "no-op", ...more] = actions.get(address) ?? [];
    const action = more.length === 0 ? first : "several";
    return {
      type: "change.ended",
      workspace: address,
      action,
      status,
      duration_ms: Math.round(duration_ms),
    };
  });
  const duration_ms = Math.round(Math.max(0, took));
  return [...ended, { type: "apply.ended", mode, ...summary, exit_code: knownExit(exit_code), duration_ms }];
}

/** Who made a runtime has seen it: from then on its idle time is known here. */
async function recordMade(state: FleetState, made: ReadonlySet<string>, now: number): Promise<void> {
  if (made.size === 0) return;
  const known = Object.keys(await readSightings(state));
  await recordSightings(state, [...new Set([...known, ...made])], now);
}

/** An engine that cannot be opened fails the changes on it, and no others. */
async function openInto(drivers: Map<string, Driver>, ref: EngineRef, input: SessionInput): Promise<void> {
  const { engine, seen } = input;
  try {
    const key = engineKey(ref);
    const module = seen.modules[ref.backend];
    const driver = await module?.open(ref.config, driverDeps(engine), seen.readers.get(key));
    if (driver !== undefined) drivers.set(key, driver);
  } catch (thrown) {
    const why = thrown instanceof SandkeepError ? thrown.message : String(thrown);
    engine.sink.notify({
      type: "note",
      level: "error",
      code: "ENGINE_NOT_OPEN",
      message: `${engineKey(ref)}: ${why}`,
    });
  }
}

async function useOf(
  state: FleetState,
  address: string,
  now: number,
): Promise<{ readonly open: boolean; readonly last: number }> {
  const [runs, activity] = await Promise.all([readOpenRuns(state, now), readActivity(state)]);
  return { open: runs.some((run) => run.address === address), last: activity[address] ?? -1 };
}

/** Whose runtime goes is told why, in the ledger and to whoever applies. */
async function disrupt({ engine, seen }: SessionInput, plan: Plan, change: Change): Promise<void> {
  const { address, why } = change;
  const at = new Date(engine.now()).toISOString();
  const runs = await disruptRuns(seen.state, address, { at, plan_id: plan.plan_id, why }, engine.now());
  if (runs.length === 0) return;
  const message = `${address}: ${runs.join(", ")} ${runs.length === 1 ? "was" : "were"} still going on: ${why}`;
  engine.sink.notify({ type: "note", level: "warn", code: "DISRUPTED", message });
}

/** A hold set while a plan waited for approval, or lay in a file, counts as well. */
async function heldNow(state: FleetState, address: string, now: number): Promise<string | undefined> {
  const holds = await readHolds(state, now);
  return holds.find((each) => each.address === address || each.address === WHOLE_FLEET)?.reason;
}

/**
 * Read at the moment of use, from the config's references and no others: a label that named a command could make
 * this machine run it.
 */
async function secretsFor(
  input: SessionInput,
  change: Change,
  values: JsonObject,
  use: SecretUse,
  also: readonly string[] = [],
): Promise<Record<string, string>> {
  const { engine, seen } = input;
  const found: Record<string, string> = {};
  const wanted = seen.desired.find((each) => each.address === change.address);
  if (seen.config === undefined || wanted === undefined || values["secrets"] === undefined) return found;
  const io = secretIo(engine, seen.config);
  for (const [name, ref] of Object.entries(wanted.settings.secrets)) {
    if (!isFor(ref, use) && !also.includes(name)) continue;
    const secret = await resolveSecret(ref, io);
    if (secret.status === "unresolved") {
      throw new SandkeepError(`secret ${name} of ${change.address}: ${secret.message}`, {
        code: "SECRET_UNRESOLVED",
        hint: "make it available to this process, or remove it from sandbox.secrets",
      });
    }
    found[name] = secret.value;
  }
  return found;
}

async function readableSecrets({ engine, seen }: SessionInput, change: Change): Promise<readonly string[]> {
  const wanted = seen.desired.find((each) => each.address === change.address);
  if (seen.config === undefined || wanted === undefined) return [];
  const io = secretIo(engine, seen.config);
  const found = await Promise.all(
    Object.values(wanted.settings.secrets).map((ref) => resolveSecret(ref, io)),
  );
  return found.flatMap((each) => (each.status === "unresolved" ? [] : [each.value]));
}

function isEmptied(seen: Survey, ref: EngineRef): boolean {
  const observation = seen.observations.find((each) => engineKey(each) === engineKey(ref));
  return (
    observation?.status === "complete" &&
    observation.runtimes.length === 0 &&
    observation.dormant.length === 0 &&
    (observation.networks ?? []).length === 0
  );
}

/** What later plans need to know of this look: who was seen, and since when something has been put off. */
export async function remember(seen: Survey, decisions: readonly Decision[], whole: boolean): Promise<void> {
  const { state, now } = seen;
  const runtimes = seen.observations.flatMap((each) => (each.status === "complete" ? each.runtimes : []));
  const deferred = decisions.filter(({ verdict }) => verdict.action === "blocked" && verdict.rule === "busy");
  if (!whole) return;
  const complete = seen.observations.every((each) => each.status === "complete");
  const decided = new Set<string>(decisions.map(({ situation }) => situation.address));
  // A partial look must not make forget what it could not see.
  const sighted = complete ? [] : Object.keys(seen.facts.sightings);
  const putOff = complete ? [] : Object.keys(seen.facts.deferred);
  const waiting = putOff.filter((key) => !decided.has(key.slice(0, key.lastIndexOf(" "))));
  await recordSightings(state, [...new Set([...runtimes.map((each) => each.object_id), ...sighted])], now);
  await recordDeferred(state, [...deferred.map(({ situation }) => deferralKey(situation)), ...waiting], now);
  await forgetEndpoints(
    state,
    seen.engines.filter((ref) => !ref.declared && isEmptied(seen, ref)),
  );
  if (!complete) return;
  await keepUpdates(state, new Set(runtimes.map((each) => each.object_id)));
  const used = new Set((await readOpenRuns(state, now)).map((run) => run.address));
  const isGone = ([address]: [string, number]): boolean => !decided.has(address) && !used.has(address);
  await forgetActivity(state, Object.fromEntries(Object.entries(seen.facts.activity).filter(isGone)));
}
