/** In: where a command is to run. Out: the runtime it runs in, or what it is built from, kept busy until it is let go. */
import { busyCount } from "../diff/usage.ts";
import { SandkeepError } from "../errors.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import { readOpenRuns } from "../state/open-runs.ts";
import type { Driver, DriverModule } from "../drivers/driver.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import type { BringRequest } from "../plan/stage-keeper.ts";
import type { ArtifactPlace } from "./artifacts.ts";
import { placeOfRuntime } from "./artifacts.ts";
import type { BinRequest, PlacedBin } from "./bin.ts";
import { placeInside } from "./bin.ts";
import type { ClaimedBuild } from "./build.ts";
import type { Claimed } from "./claim.ts";
import { claim, placeOf } from "./claim.ts";
import type { Run } from "./ending.ts";
import { claimEphemeral } from "./ephemeral.ts";
import type { Target } from "./ready.ts";
import type { RunHead } from "./record.ts";
import type { Where } from "./where.ts";

export const ON_HOST = {
  sandboxed: false,
  address: null,
  backend: null,
  host: null,
  object_id: null,
  spec_hash: null,
  image: null,
  plan_id: null,
} as const;

export type Inside = Exclude<Where, { at: "host" }>;

/** What a command runs in, or is built from. */
export interface Held extends Pick<Claimed, "handle">, Partial<Pick<ClaimedBuild, "build" | "ticket">> {
  readonly place: Pick<RunHead, keyof typeof ON_HOST>;
  /** Where the files that a run leaves are looked for. */
  readonly artifacts: ArtifactPlace;
  readonly placeBin: (bin: BinRequest) => Promise<PlacedBin>;
}

export async function hold(
  run: Run,
  where: Inside,
  { driver, module }: Reach,
  target: Target,
): Promise<Held> {
  const { state } = run;
  const wish = where.at === "ephemeral" ? where.wish : undefined;
  if (module.capabilities.lifecycle === "ephemeral") {
    const { claimBuild } = await import("./build.ts");
    const { spec_hash, ...claimed } = await claimBuild(run, state, { driver, module }, target, wish);
    const image = claimed.build.image ?? null;
    return { ...claimed, place: { ...placedAt(target), spec_hash, image } };
  }
  const { runtime, handle } =
    wish === undefined
      ? await claim(run, state, driver, target, {
          makes: where.at === "declared",
          prepare: async (ready) => bringWorkspace(run, { driver, module }, target, ready),
        })
      : await claimEphemeral(run, { state, driver }, target, wish);
  return {
    handle,
    place: placeOf(target, runtime),
    artifacts: placeOfRuntime(driver, target.host, runtime, run.engine.stateDir),
    placeBin: (bin) => placeInside(driver, runtime.object_id, bin),
  };
}

/** Where the config asks for it, what was done here since the last time is there before a command begins. */
async function bringWorkspace(
  run: Run,
  reach: Reach,
  target: Target,
  runtime: ObservedRuntime,
): Promise<void> {
  const request = await remoteWorkspace(run, reach, target, runtime);
  if (request === undefined) return;
  const { engine, whom } = run;
  if (!request.staged && whom.agent.settings.workspace.sync !== "before-run") return;
  if (engine.stages === undefined)
    throw new SandkeepError("nothing here keeps workspaces in step", NO_KEEPER);
  for (const note of await engine.stages.bringThere(request)) engine.sink.notify({ type: "note", ...note });
}

export interface Reach {
  readonly driver: Driver;
  readonly module: DriverModule;
}

/** The workspace of a run where it is kept on another machine. `execs` are those of others. */
export async function remoteWorkspace(
  { engine, config, state, whom }: Run,
  { driver, module }: Reach,
  { address, host }: Target,
  runtime: Pick<ObservedRuntime, "object_id" | "execs">,
): Promise<BringRequest | undefined> {
  const { settings } = whom.agent;
  const { access, source, ignore = "off" } = settings.workspace;
  const place = host === undefined ? undefined : config.fleet.hosts[host];
  if (access === "none" || module.provider(settings, place) !== "volume") return undefined;
  const open = await readOpenRuns(state, engine.now());
  return {
    fleet: config.fleet.fleet,
    address,
    source,
    ignore,
    driver,
    objectId: runtime.object_id,
    staged: settings.writes === "staged",
    busy: busyCount(
      open.filter((each) => each.address === address),
      runtime,
    ),
    tell: (message) => engine.sink.notify({ type: "note", level: "info", code: "SYNC", message }),
  };
}

const NO_KEEPER = {
  code: "NO_STAGES",
  hint: "hand in `stages` with the engine",
  blame: "tool",
} as const;

export function placedAt({ address, backend, host }: Target) {
  return { ...ON_HOST, sandboxed: true, address, backend, host: host ?? THIS_HOST };
}
