/** In: where a command is to run. Out: the runtime it runs in, or what it is built from, kept busy until it is let go. */
import type { Driver, DriverModule } from "../drivers/driver.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import type { ArtifactPlace } from "./artifacts.ts";
import { placeOfRuntime } from "./artifacts.ts";
import type { BinRequest, PlacedBin } from "./bin.ts";
import { placeInside } from "./bin.ts";
import type { ClaimedBuild } from "./build.ts";
import { claimBuild } from "./build.ts";
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
  { driver, module }: { readonly driver: Driver; readonly module: DriverModule },
  target: Target,
): Promise<Held> {
  const { state } = run;
  const wish = where.at === "ephemeral" ? where.wish : undefined;
  if (module.capabilities.lifecycle === "ephemeral") {
    const { spec_hash, ...claimed } = await claimBuild(run, state, module, target, wish);
    return { ...claimed, place: { ...placedAt(target), spec_hash } };
  }
  const { runtime, handle } =
    wish === undefined
      ? await claim(run, state, driver, target, where.at === "declared")
      : await claimEphemeral(run, { state, driver }, target, wish);
  return {
    handle,
    place: placeOf(target, runtime),
    artifacts: placeOfRuntime(driver, target.host, runtime, run.engine.stateDir),
    placeBin: (bin) => placeInside(driver, runtime.object_id, bin),
  };
}

export function placedAt({ address, backend, host }: Target) {
  return { ...ON_HOST, sandboxed: true, address, backend, host: host ?? THIS_HOST };
}
