/** A stage whose agent works on another machine, within reach of the verbs that show and settle stages. */
import { isAddress, parseAddress } from "../../model/names.ts";
import type { LoadedFleet } from "../../policy/fleet.ts";
import { driverDeps } from "../../plan/engine.ts";
import type { Engine } from "../../reconcile.ts";
import { hasCode } from "../../errors.ts";
import { lockAddress } from "../../state/address-lock.ts";
import { fleetState } from "../../state/directory.ts";
import { recover } from "../carry-out.ts";
import { applyId } from "../keeper.ts";
import type { Stage } from "../stage.ts";
import type { RemoteWorkspace } from "./fleet.ts";
import { LOCK_WAIT_MS, remoteWorkspaces, runningRuntime } from "./fleet.ts";
import { fetchIntoStage, sendFromStage } from "./mirror.ts";

/** `fetch` brings what the agent did there into the stage, `send` what the stage is there. Nothing for a local one. */
export async function mirrorStage(
  engine: Engine,
  config: LoadedFleet,
  stage: Stage,
  way: "fetch" | "send",
): Promise<void> {
  const { fleet, address, source } = stage.meta;
  const workspace = remoteOf(config, address);
  if (workspace === undefined) return;
  const { settings } = workspace.agent;
  const host = settings.host === undefined ? undefined : config.fleet.hosts[settings.host];
  const driver = await workspace.module.open(host, driverDeps(engine));
  await using _driver = driver;
  const state = fleetState(engine.stateDir, fleet);
  await using _lock = await lockAddress(state, address, { waitMs: LOCK_WAIT_MS });
  await recover(stage);
  const objectId = await idOf(driver, config, workspace);
  // What went with its runtime cannot be asked any more; what was fetched of it is here.
  if (objectId === undefined) return;
  const request = {
    fleet,
    address,
    source,
    ignore: settings.workspace.ignore ?? "off",
    driver,
    objectId,
    // To look at it changes nothing there, and what is in the middle of being written is found out.
    busy: 0,
    tell: (message: string) => engine.sink.notify({ type: "note", level: "info", code: "SYNC", message }),
  } as const;
  const id = applyId(engine.now(), engine.randomId());
  await (way === "fetch" ? fetchIntoStage : sendFromStage)(engine, id, request);
}

/** Also of a session that nobody declares. */
function remoteOf(config: LoadedFleet, address: string): RemoteWorkspace | undefined {
  const parts = parseAddress(address);
  const all = remoteWorkspaces(config, []).filter(({ agent }) => agent.settings.writes === "staged");
  const found =
    all.find((each) => each.address === address) ??
    all.find(({ agent }) => parts !== undefined && "agent" in parts && parts.agent === agent.name);
  return found === undefined || !isAddress(address) ? undefined : { ...found, address };
}

async function idOf(
  driver: Parameters<typeof runningRuntime>[0],
  config: LoadedFleet,
  { address }: RemoteWorkspace,
): Promise<string | undefined> {
  try {
    return (await runningRuntime(driver, config, address)).object_id;
  } catch (thrown) {
    if (hasCode(thrown, "NOT_READY")) return undefined;
    throw thrown;
  }
}
