/**
 * In: a run that wants a sandbox of its own. Out: that sandbox, made by the same flow as every other, and its removal. The run
 * is open from before the creation until after its command, so what a killed one leaves is known for what it is.
 */
import type { Driver } from "../drivers/driver.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError, toError } from "../errors.ts";
import type { EphemeralWish } from "../model/ephemeral.ts";
import { parseAddress } from "../model/names.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import type { EphemeralFleet } from "../policy/ephemeral.ts";
import { loadEphemeral } from "../policy/ephemeral.ts";
import type { FleetRequest, Invalid, LoadedFleet } from "../policy/fleet.ts";
import type { Engine } from "../reconcile.ts";
import type { FleetState } from "../state/directory.ts";
import { openRun } from "../state/open-runs.ts";
import { listWords } from "../util/suggestion.ts";
import type { Claimed, Claiming } from "./claim.ts";
import { findReady, makeReady, refuseFailed } from "./ready.ts";
import type { Target } from "./ready.ts";

/** Many of them may be made and removed at once, one after the other. */
const LEASE_WAIT_MS = 300_000;

/** Busy before it exists: from then on nobody takes it for what a killed run left. */
export async function claimEphemeral(
  { engine, config, whom, run_id }: Claiming,
  { state, driver }: { readonly state: FleetState; readonly driver: Driver },
  target: Target,
  wish: EphemeralWish,
): Promise<Claimed> {
  const { address } = wish;
  const who = { address, agent: whom.agent.name, session: whom.session };
  const handle = await openRun(state, { run_id, ...who, now: () => engine.now() });
  try {
    await makeReady(engine, config, target, { ephemeral: wish, leaseMs: LEASE_WAIT_MS });
    const runtime = await findReady(driver, config, target);
    if (runtime !== undefined) return { runtime, handle };
    throw new SandkeepError(`${address} is gone as soon as it was made`, {
      code: "NOT_READY",
      hint: "run it again",
    });
  } catch (thrown) {
    await handle[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** Never rejects: what cannot be removed now is told, and removed by whoever looks next. */
export async function removeEphemeral(
  engine: Engine,
  { loaded }: LoadedFleet,
  address: string,
): Promise<void> {
  try {
    const { reconcile } = await import("../reconcile.ts");
    const outcome = await reconcile(
      engine,
      { intent: { mode: "destroy", targets: [address], unprotect: true }, no_salvage: true },
      { approve: async () => true, loaded, waitMs: LEASE_WAIT_MS, unattended: true },
    );
    if (outcome.status === "applied") refuseFailed(address, outcome.result);
  } catch (thrown) {
    const message = `${address} could not be removed: ${toError(thrown).message}; the next apply or prune removes it`;
    engine.sink.notify({ type: "note", level: "warn", code: "EPHEMERAL_LEFT", message });
  }
}

export function tellKept(
  engine: Engine,
  { loaded, fleet }: LoadedFleet,
  { address, expires_at }: EphemeralWish,
): void {
  const named = loaded.files.length === 0 ? ` --fleet ${fleet.fleet}` : "";
  const until = new Date(expires_at).toISOString();
  const message = `${address} is kept until ${until}: \`sandkeep run --in ${address} -- CMD\` runs in it, \`shell\` likewise, \`sandkeep destroy ${address}${named}\` removes it`;
  engine.sink.notify({ type: "note", level: "info", code: "EPHEMERAL_KEPT", message });
}

export interface Kept {
  readonly config: EphemeralFleet;
  readonly runtime: ObservedRuntime;
  readonly target: Target;
  readonly session: string;
}

/** A sandbox that an earlier run kept, with the settings of its agent. Throws NO_SUCH_RUNTIME (exit 64). */
export async function findKept(
  engine: Engine,
  request: FleetRequest,
  address: string,
): Promise<Kept | Invalid> {
  if (parseAddress(address)?.scope !== "ephemeral") {
    throw new SandkeepError(`${JSON.stringify(address)} is no address of an ephemeral sandbox`, {
      code: "USAGE",
      hint: "--in takes ephemeral/…, as `sandkeep list` shows it; declared ones are chosen with --agent and --session",
      exitCode: 64,
    });
  }
  const base = await loadEphemeral(request, {});
  if (base.status === "invalid") return base;
  const { survey } = await import("../plan/survey.ts");
  const seen = await survey(engine, { config: base, wanted: [] });
  if (seen.status === "invalid") return seen;
  const all = seen.observations.flatMap((each) =>
    each.status === "complete" ? each.runtimes.map((runtime) => ({ ...each, runtime })) : [],
  );
  const found = all.find(({ runtime }) => runtime.labels.address === address);
  if (found === undefined) throw noSuch(address, all);
  const { backend, host, runtime } = found;
  const { labels } = runtime;
  const agents = base.fleet.agents.map(({ name }) => name);
  const agent = agents.find((each) => each === labels.agent);
  const config = await loadEphemeral(request, { agent, backend });
  if (config.status === "invalid") return config;
  const target = { address, name: labels.name, backend, host: host === THIS_HOST ? undefined : host };
  return { config, runtime, target, session: labels.session ?? "main" };
}

function noSuch(address: string, all: readonly { readonly runtime: ObservedRuntime }[]): SandkeepError {
  const kept = all
    .filter(({ runtime }) => runtime.labels.role === "ephemeral")
    .map(({ runtime }) => runtime.labels.address);
  return new SandkeepError(`there is no sandbox ${address}`, {
    code: "NO_SUCH_RUNTIME",
    hint: kept.length === 0 ? "no ephemeral sandbox is kept" : `there are ${listWords(kept, 5)}`,
    exitCode: 64,
  });
}
