import type { Driver } from "../drivers/driver.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { EphemeralWish } from "../model/ephemeral.ts";
import type { ApplyResult } from "../model/outcome.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import type { Blocked, Plan } from "../model/plan.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import type { Engine } from "../reconcile.ts";
import { fleetState } from "../state/directory.ts";
import { readHolds, WHOLE_FLEET } from "../state/holds.ts";

/** A run waits this long for another sandkeep that works on the fleet, then says so. */
const LEASE_WAIT_MS = 60_000;
/** So long for what goes away by itself, such as another machine's creation of the same runtime; looked at this often. */
const DEFERRED_WAIT_MS = 60_000;
const LOOK_EVERY_MS = 2_000;

export interface Target {
  readonly address: string;
  /** Canonical engine name. */
  readonly name: string;
  readonly backend: string;
  readonly host: string | undefined;
}

/** The runtime when it is ready for use: finished, which its canonical name proves, and running. */
export async function findReady(
  driver: Driver,
  config: LoadedFleet,
  target: Target,
): Promise<ObservedRuntime | undefined> {
  const { fleet, fleet_id } = config.fleet;
  const observation = await driver.observe({
    fleet,
    ...(fleet_id === undefined ? {} : { fleet_id }),
    names: [target.name],
    addresses: [target.address],
    only: "canonical",
  });
  if (observation.status === "unobserved") {
    throw new SandkeepError(`${target.backend}@${target.host ?? THIS_HOST}: ${observation.message}`, {
      code: "BACKEND_UNOBSERVED",
      kind: observation.kind === "denied" ? "denied" : "unreachable",
      blame: "backend",
      ...(observation.hint === undefined ? {} : { hint: observation.hint }),
    });
  }
  return observation.runtimes.find((each) => each.name === target.name && each.state === "running");
}

export interface Making {
  /** One that no declaration yields. */
  readonly ephemeral?: EphemeralWish;
  /** Milliseconds to wait for another sandkeep that works on the fleet. */
  readonly leaseMs?: number;
}

/** Creates, starts or wakes one runtime through the same flow as every apply. */
export async function makeReady(
  engine: Engine,
  config: LoadedFleet,
  target: Target,
  { ephemeral, leaseMs = LEASE_WAIT_MS }: Making = {},
): Promise<void> {
  const { address } = target;
  const { wait } = engine;
  const started = wait.elapsed();
  // What is ready already needs none of it.
  const { reconcile } = await import("../reconcile.ts");
  for (;;) {
    const outcome = await reconcile(
      engine,
      {
        intent: { mode: "apply", targets: [address], wake: [address] },
        ...(ephemeral === undefined ? {} : { ephemeral }),
      },
      { approve: async () => true, loaded: config.loaded, waitMs: leaseMs },
    );
    if (outcome.status !== "applied") {
      throw new SandkeepError(`${address} could not be made ready`, { code: "NOT_READY" });
    }
    const { plan, result } = outcome;
    refuseFailed(address, result);
    await refuseHeld(engine, config, address, plan);
    const blocked = plan.blocked.find((each) => each.address === address);
    if (blocked === undefined) return;
    if (!blocked.deferred || wait.elapsed() - started >= DEFERRED_WAIT_MS) throw blockedError(blocked);
    await wait.sleep(LOOK_EVERY_MS);
  }
}

/** Throws what went wrong with an address. */
export function refuseFailed(address: string, result: ApplyResult): void {
  const failed = result.outcomes.find(
    (each) => each.address === address && (each.status === "failed" || each.status === "rolled_back"),
  );
  if (failed === undefined) return;
  throw new SandkeepError(`${address}: ${failed.reason}: ${failed.error?.message ?? "no more is known"}`, {
    code: failed.error?.code ?? "NOT_READY",
    hint: failed.error?.hint ?? `sandkeep explain ${address} says more`,
    blame: "backend",
    exitCode: result.exit_code,
  });
}

async function refuseHeld(engine: Engine, config: LoadedFleet, address: string, plan: Plan): Promise<void> {
  const held = plan.held.find((each) => each.address === address);
  if (held === undefined) return;
  const holds = await readHolds(fleetState(engine.stateDir, config.fleet.fleet), engine.now());
  const by = holds.some((each) => each.address === address) ? address : WHOLE_FLEET;
  const ends = held.until === null ? "" : `, or wait until ${held.until}`;
  throw new SandkeepError(`${address} is held: ${held.reason}`, {
    code: "BLOCKED",
    hint: `sandkeep release ${by} lifts the hold${ends}`,
    exitCode: 3,
  });
}

function blockedError({ address, why, fix, deferred }: Blocked): SandkeepError {
  const hint = fix ?? (deferred ? "try again later" : undefined);
  return new SandkeepError(`${address} is blocked: ${why}`, {
    code: "BLOCKED",
    kind: deferred ? "transient" : "terminal",
    // Only a person lifts the one; the other passes.
    exitCode: deferred ? 75 : 3,
    ...(hint === undefined ? {} : { hint }),
  });
}
