/**
 * In: a run on a backend that makes no runtimes. Out: what its command is built from, and its place in the endpoint's lane.
 * There is nothing to look at or to wake: the worker itself says whether it can take the command.
 */
import type { DesiredRuntime } from "../desire/desire.ts";
import { desire } from "../desire/desire.ts";
import type { BuildRequest, ReadDriver } from "../drivers/driver.ts";
import type { ReturnedChanges } from "../util/returned-changes.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { EphemeralWish } from "../model/ephemeral.ts";
import { engineKey } from "../observe/engines.ts";
import { identityOf, imageDoubt, imageRefusal, planImage, resolveWant } from "../observe/images.ts";
import { lockAddress } from "../state/address-lock.ts";
import type { FleetState } from "../state/directory.ts";
import type { LaneTicket } from "../state/lanes.ts";
import { takeTicket } from "../state/lanes.ts";
import type { OpenRunHandle } from "../state/open-runs.ts";
import { openRun } from "../state/open-runs.ts";
import type { ImageIdentity, Spec } from "../model/spec.ts";
import type { Engine } from "../reconcile.ts";
import { isJsonObject } from "../util/json-path.ts";
import { stageTree } from "../util/stage-place.ts";
import type { ArtifactPlace } from "./artifacts.ts";
import { bringBack } from "./bring-back.ts";
import type { Claiming } from "./claim.ts";
import { LOCK_WAIT_MS } from "./claim.ts";
import type { Reach } from "./hold.ts";
import type { Target } from "./ready.ts";

export interface ClaimedBuild {
  readonly build: BuildRequest;
  readonly spec_hash: string;
  readonly handle: OpenRunHandle;
  /** Absent where the backend needs no bound. */
  readonly ticket: LaneTicket | undefined;
  /** What the command left is in the workspace itself by then. */
  readonly artifacts: ArtifactPlace;
  readonly placeBin: () => Promise<never>;
}

/** Throws LANE_FULL (exit 75) when too many wait already. */
export async function claimBuild(
  claiming: Claiming,
  state: FleetState,
  { driver, module }: Reach,
  target: Target,
  wish: EphemeralWish | undefined,
): Promise<ClaimedBuild> {
  const { engine, config, whom, run_id } = claiming;
  const { fleet, modules, paths } = config;
  const { address } = target;
  const all = desire({ fleet, modules, paths, known: [address], ephemeral: wish });
  const desired = all.find((each) => each.address === address);
  if (desired === undefined) {
    throw new SandkeepError(`${address} is declared by nobody`, { code: "INTERNAL", blame: "tool" });
  }
  const who = { address, agent: whom.agent.name, session: whom.session };
  const now = (): number => engine.now();
  const lane = module.lane?.(desired.settings);
  const ticket =
    lane === undefined
      ? undefined
      : await takeTicket(engine.stateDir, {
          ...lane,
          engine: engineKey({ backend: target.backend, host: target.host ?? THIS_HOST }),
          who: { ...who, fleet: fleet.fleet, run_id },
          now,
          onProblem: state.onProblem,
        });
  // Nobody fills, applies or throws away the stage while it is opened, and afterwards everybody sees the run.
  const opened = async () => {
    await using _lock = await lockAddress(state, address, { waitMs: LOCK_WAIT_MS });
    const what = await sent(engine, fleet.fleet, desired);
    return { ...what, handle: await openRun(state, { run_id, ...who, now }) };
  };
  try {
    const image = await baseImage(claiming, driver, desired);
    const { spec, source, handle } = await opened();
    const build = {
      spec,
      ...(image === undefined ? {} : { image }),
      bringBack: (changes: ReturnedChanges) => direct(claiming, source, changes),
      // The next one need not wait for the output of one that is gone; a place that cannot be left goes with this process.
      over: async () => ticket?.[Symbol.asyncDispose]().catch(() => undefined),
    };
    const artifacts = { at: "folder", folder: source } as const;
    return { build, spec_hash: desired.spec_hash, handle, ticket, artifacts, placeBin: refuseBin };
  } catch (thrown) {
    await ticket?.[Symbol.asyncDispose]();
    throw thrown;
  }
}

/**
 * The one image that the lock file or the registry says, where one of them decides. A registry that does not answer is told,
 * and the worker goes by the name; a lock file that does not say it is a refusal.
 */
async function baseImage(
  { engine, config }: Claiming,
  driver: ReadDriver,
  { image, backend, host }: DesiredRuntime,
): Promise<ImageIdentity | undefined> {
  if (image === undefined || (image.policy !== "pin" && image.policy !== "track")) return undefined;
  const want = { ...image, backend, host };
  const fact = { ...want, state: await resolveWant(driver, want, { locked: config.loaded.lock ?? [] }) };
  const [identity, refusal, doubt] = [identityOf(planImage(fact)), imageRefusal(fact), imageDoubt(fact)];
  if (refusal !== undefined || (identity === undefined && image.policy === "pin")) {
    const why = refusal?.why ?? doubt?.message ?? `which image ${image.ref} is cannot be found out`;
    throw new SandkeepError(why, {
      code: "IMAGE_REFUSED",
      hint: refusal?.fix ?? "see `sandkeep images list`",
    });
  }
  if (doubt !== undefined)
    engine.sink.notify({ type: "note", level: "warn", code: "IMAGE_UNRESOLVED", message: doubt.message });
  return identity;
}

/** With staged writes the agent's own copy is what is sent, and where its changes come back to. */
async function sent(
  engine: Engine,
  fleet: string,
  { address, spec, settings }: DesiredRuntime,
): Promise<{ readonly spec: Spec; readonly source: string }> {
  const { source } = settings.workspace;
  if (settings.writes !== "staged") return { spec, source };
  const { stages, stateDir } = engine;
  if (stages === undefined) {
    throw new SandkeepError("nobody keeps the stages of this engine", { code: "INTERNAL", blame: "tool" });
  }
  await stages.open({ fleet, address, source });
  const tree = stageTree(stateDir, { fleet, address });
  const { workspace, ...values } = spec.values;
  const moved = isJsonObject(workspace) ? { ...workspace, source: tree } : { source: tree };
  return { spec: { ...spec, values: { ...values, workspace: moved } }, source: tree };
}

async function refuseBin(): Promise<never> {
  throw new SandkeepError("a backend that makes no runtimes has no place for a program of this machine", {
    code: "BIN_UNAVAILABLE",
    hint: "put it into the image, or into the workspace",
  });
}

async function direct({ engine }: Claiming, workspace: string, changes: ReturnedChanges): Promise<void> {
  for (const { path, why } of await bringBack(workspace, changes)) {
    const message = `${path} was changed and not brought back: ${why}`;
    engine.sink.notify({ type: "note", level: "warn", code: "NOT_BROUGHT_BACK", message });
  }
}
