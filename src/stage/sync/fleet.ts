/**
 * In: a fleet, whose workspaces, and which way. Out: what came of each, one after the other: what stands against one, or a
 * host that is away, holds up no other. Only workspaces that are kept on another machine are meant.
 */
import { leftOut } from "../../apply/left-out.ts";
import { runtimeName } from "../../desire/identity.ts";
import { busyCount } from "../../diff/usage.ts";
import { placeSession } from "../../desire/sessions.ts";
import type { Driver, DriverModule } from "../../drivers/driver.ts";
import { THIS_HOST } from "../../drivers/driver.ts";
import { SandkeepError } from "../../errors.ts";
import type { Address } from "../../model/names.ts";
import type { ObservedRuntime } from "../../model/observed.ts";
import type { ResolvedAgent } from "../../model/settings.ts";
import type { SyncedWorkspace } from "../../model/sync.ts";
import { driverDeps } from "../../plan/engine.ts";
import type { LoadedFleet } from "../../policy/fleet.ts";
import type { Engine } from "../../reconcile.ts";
import { lockAddress } from "../../state/address-lock.ts";
import { fleetState } from "../../state/directory.ts";
import { readOpenRuns } from "../../state/open-runs.ts";
import { formatBytes } from "../../util/bytes.ts";
import { applyId } from "../keeper.ts";
import { stageRules } from "../rules.ts";
import { syncBusy, toldConflict, toldSync } from "./answer.ts";
import { progress } from "./bring.ts";
import type { Allowed, SyncChoice, SyncWay } from "./sync.ts";
import { syncWorkspace } from "./sync.ts";

export const LOCK_WAIT_MS = 10_000;

/** A workspace that is kept on another machine. */
export interface RemoteWorkspace {
  readonly address: Address;
  readonly agent: ResolvedAgent;
  readonly module: DriverModule;
}

export interface SyncOrder extends SyncChoice {
  /** Asked before one side's changes are overwritten; rejects where they may not be. */
  readonly approve: (
    address: Address,
    host: string,
    overwritten: SyncedWorkspace["overwritten"],
  ) => Promise<void>;
}

/** Those of these agents, or of all where none is named. Throws for one that is named and has none. */
export function remoteWorkspaces(config: LoadedFleet, agents: readonly string[]): readonly RemoteWorkspace[] {
  const known = config.fleet.agents.map(({ name }) => name);
  const strange = agents.find((each) => !known.includes(each));
  if (strange !== undefined) throw usage(`there is no agent "${strange}"`, `there is ${known.join(", ")}`);
  const found = new Map<string, RemoteWorkspace>();
  for (const agent of config.fleet.agents) {
    if (agents.length > 0 && !agents.includes(agent.name)) continue;
    const { settings } = agent;
    const module = config.modules[settings.backend];
    const host = settings.host === undefined ? undefined : config.fleet.hosts[settings.host];
    if (module === undefined || module.provider(settings, host) !== "volume") {
      if (agents.length === 0) continue;
      throw usage(
        `the workspace of ${agent.name} is not kept on another machine`,
        "there is nothing to keep in step: its sandbox works in the folder itself, or in none",
      );
    }
    for (const session of agent.sessions) {
      const placement = placeSession(settings, agent.name, session);
      if (placement.sandboxed) found.set(placement.address, { address: placement.address, agent, module });
    }
  }
  return [...found.values()];
}

function usage(message: string, hint: string): SandkeepError {
  return new SandkeepError(message, { code: "USAGE", hint, exitCode: 64 });
}

export async function syncOne(
  engine: Engine,
  config: LoadedFleet,
  workspace: RemoteWorkspace,
  way: SyncWay,
  { approve, ...choice }: SyncOrder,
): Promise<SyncedWorkspace & { readonly thrown?: unknown }> {
  const { address, agent, module } = workspace;
  const { settings } = agent;
  const about = {
    address,
    backend: settings.backend,
    host: settings.host ?? THIS_HOST,
    source: settings.workspace.source,
  };
  const host = settings.host === undefined ? undefined : config.fleet.hosts[settings.host];
  try {
    const driver = await module.open(host, driverDeps(engine));
    await using _driver = driver;
    const state = fleetState(engine.stateDir, config.fleet.fleet);
    await using _lock = await lockAddress(state, address, { waitMs: LOCK_WAIT_MS });
    const { object_id: objectId } = await runningRuntime(driver, config, address);
    const tell = (bytes: number): void => {
      const message = `${address}: moved ${formatBytes(bytes)} of the workspace`;
      engine.sink.notify({ type: "note", level: "info", code: "SYNC", message });
    };
    const { source, ignore = "off" } = settings.workspace;
    const { stateDir, env } = engine;
    const sync = {
      owner: { fleet: config.fleet.fleet, address },
      driver,
      objectId,
      stateDir,
      root: source,
      leftOut: await leftOut({ source, stateDir, ignore, env }),
      judges: true,
      rules: await stageRules(config.fleet.stage, (key) => config.loaded.locate(key)),
      id: applyId(engine.now(), engine.randomId()),
      now: engine.now(),
      tell: progress(tell),
    };
    const allowed: Allowed = async (overwritten) => {
      if (overwritten.length > 0) await approve(address, about.host, overwritten.map(toldConflict));
      const runs = (await readOpenRuns(state, engine.now())).filter((each) => each.address === address);
      const busy = busyCount(runs, await runningRuntime(driver, config, address));
      if (busy > 0) throw syncBusy(address, busy);
    };
    const synced = await syncWorkspace(sync, way, allowed, choice);
    return { ...about, ...toldSync(synced), error: null };
  } catch (thrown) {
    if (!(thrown instanceof SandkeepError)) throw thrown;
    const { code, message, hint = null } = thrown;
    const none = { here: [], there: [], conflicts: [], overwritten: [], refusals: [] };
    return { ...about, ...none, status: "failed", error: { code, message, hint }, thrown };
  }
}

export async function runningRuntime(
  driver: Driver,
  config: LoadedFleet,
  address: Address,
): Promise<ObservedRuntime> {
  const { fleet, fleet_id, name_prefix } = config.fleet;
  const name = runtimeName(name_prefix, fleet, address);
  const scope = {
    fleet,
    ...(fleet_id === undefined ? {} : { fleet_id }),
    names: [name],
    addresses: [address],
  };
  const seen = await driver.observe({ ...scope, only: "canonical" });
  if (seen.status === "unobserved") {
    throw new SandkeepError(seen.message, {
      code: "BACKEND_UNOBSERVED",
      kind: seen.kind === "denied" ? "denied" : "unreachable",
      blame: "backend",
      ...(seen.hint === undefined ? {} : { hint: seen.hint }),
    });
  }
  const runtime = seen.runtimes.find((each) => each.name === name && each.state === "running");
  if (runtime !== undefined) return runtime;
  throw new SandkeepError(`${address} is not running, so its workspace cannot be looked at`, {
    code: "NOT_READY",
    hint: "`sandkeep apply` makes it; a new one is copied from the workspace as it is here",
  });
}
