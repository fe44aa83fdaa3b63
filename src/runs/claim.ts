import { THIS_HOST } from "../drivers/driver.ts";
import type { Driver } from "../drivers/driver.ts";
import { runtimeName } from "../desire/identity.ts";
import { SandkeepError } from "../errors.ts";
import type { Address } from "../model/names.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import type { Engine } from "../reconcile.ts";
import { recordActivity } from "../state/activity.ts";
import { lockAddress } from "../state/address-lock.ts";
import type { FleetState } from "../state/directory.ts";
import type { OpenRunHandle } from "../state/open-runs.ts";
import { openRun } from "../state/open-runs.ts";
import type { Target } from "./ready.ts";
import { findReady, makeReady } from "./ready.ts";
import type { Whom } from "./whom.ts";

/** A long fill or apply of a stage may stand before a run. */
export const LOCK_WAIT_MS = 60_000;
/** Between waking and using a runtime somebody may take it away again; then it is woken again, this often. */
const ATTEMPTS = 3;

export interface Claimed {
  readonly runtime: ObservedRuntime;
  /** Keeps the runtime busy until disposed. */
  readonly handle: OpenRunHandle;
}

export interface Claiming {
  readonly engine: Engine;
  readonly config: LoadedFleet;
  readonly whom: Whom;
  readonly run_id: string;
}

/** The runtime of an address, as its settings say. */
export function targetOf({ config, whom }: Pick<Claiming, "config" | "whom">, address: Address): Target {
  const { backend, host } = whom.agent.settings;
  const { fleet, name_prefix } = config.fleet;
  return { address, backend, host, name: runtimeName(name_prefix, fleet, address) };
}

export interface ClaimOptions {
  /** Whether one that is not ready is made so. */
  readonly makes?: boolean;
  /** Done before it counts as used, while nobody else can begin to; where it throws, nothing runs. */
  readonly prepare?: (runtime: ObservedRuntime) => Promise<void>;
}

/**
 * Looks and registers under the address lock, so that nobody removes the runtime between the two. What is not ready is made
 * so, unless it is there for good or not at all.
 */
export async function claim(
  claiming: Claiming,
  state: FleetState,
  driver: Driver,
  target: Target,
  { makes = true, prepare = async () => undefined }: ClaimOptions = {},
): Promise<Claimed> {
  const { engine, config } = claiming;
  const { address } = target;
  for (let attempt = 1; ; attempt += 1) {
    const lock = await lockAddress(state, address, { waitMs: LOCK_WAIT_MS });
    const claimed = await register(claiming, state, driver, target, prepare).catch(
      async (thrown: unknown) => {
        await release(lock).catch(() => undefined);
        throw thrown;
      },
    );
    const released = release(lock);
    // A command that begins need not wait for it.
    if (claimed !== undefined) return { ...claimed, handle: afterRelease(claimed.handle, released) };
    await released;
    if (!makes) {
      throw new SandkeepError(`${address} is not running`, {
        code: "NOT_READY",
        hint: `make a new one: what was kept is never made again`,
      });
    }
    if (attempt > ATTEMPTS) {
      throw new SandkeepError(`${address} is taken away as often as it is made ready`, {
        code: "NOT_READY",
        hint: `sandkeep explain ${address} says why`,
      });
    }
    await makeReady(engine, config, target);
  }
}

/** Of a runtime that is ready; nobody else may work on its address meanwhile. */
async function register(
  { engine, config, whom, run_id }: Claiming,
  state: FleetState,
  driver: Driver,
  target: Target,
  prepare: (runtime: ObservedRuntime) => Promise<void>,
): Promise<Claimed | undefined> {
  const { address } = target;
  const runtime = await findReady(driver, config, target);
  if (runtime === undefined) return undefined;
  await prepare(runtime);
  const who = { address, agent: whom.agent.name, session: whom.session };
  const [opened, used] = await Promise.allSettled([
    openRun(state, { run_id, ...who, now: () => engine.now() }),
    recordActivity(state, address, engine.now()),
  ]);
  if (opened.status === "rejected") throw opened.reason;
  if (used.status === "fulfilled") return { runtime, handle: opened.value };
  // The command does not begin, so nothing may stay busy.
  await opened.value[Symbol.asyncDispose]();
  throw used.reason;
}

function release(lock: AsyncDisposable): Promise<void> {
  const released = Promise.resolve(lock[Symbol.asyncDispose]());
  // Told by whoever awaits it.
  released.catch(() => undefined);
  return released;
}

function afterRelease(handle: OpenRunHandle, released: Promise<void>): OpenRunHandle {
  return {
    run_id: handle.run_id,
    async [Symbol.asyncDispose]() {
      await handle[Symbol.asyncDispose]();
      await released;
    },
  };
}

/** How a target's place stands in a manifest. */
export function placeOf({ address, backend, host }: Target, { object_id, labels }: ObservedRuntime) {
  const { spec_hash, image, plan_id = null } = labels;
  return {
    sandboxed: true,
    address,
    backend,
    host: host ?? THIS_HOST,
    object_id,
    spec_hash,
    image: image ?? null,
    plan_id,
  };
}
