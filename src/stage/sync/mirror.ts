/**
 * The stage of a runtime whose workspace is kept on another machine: the agent works on the copy there, and the tree of
 * the stage here is what came back of it. In: the stage's owner and the copy, within reach. Out: the tree as the copy is, or
 * the copy as the tree is. Whatever may not come into the workspace is judged when the stage is applied.
 */
import { leftOut } from "../../apply/left-out.ts";
import type { BringRequest } from "../../plan/stage-keeper.ts";
import { resolveStage } from "../../resolve/stage.ts";
import { stageTree } from "../../util/stage-place.ts";
import { stageRules } from "../rules.ts";
import { syncBusy, syncConflict } from "./answer.ts";
import type { BringDeps } from "./bring.ts";
import { movingOf } from "./bring.ts";
import type { Sync } from "./sync.ts";
import { syncWorkspace } from "./sync.ts";

/** `source` is the real workspace, as the stage has it: what is left out is said there, and never by an agent's copy. */
export type MirrorRequest = Omit<BringRequest, "staged">;

/** What the agent did there is in the stage. Nothing is fetched while somebody works there. */
export async function fetchIntoStage(deps: BringDeps, id: string, request: MirrorRequest): Promise<void> {
  const { address, busy } = request;
  const synced = await syncWorkspace(await mirror(deps, id, request), "pull", async () => {
    if (busy > 0) throw syncBusy(address, busy);
  });
  if (synced.status === "conflict") throw syncConflict(address, synced);
}

/** What is in the stage is there. */
export async function sendFromStage(deps: BringDeps, id: string, request: MirrorRequest): Promise<void> {
  const { address, busy } = request;
  const synced = await syncWorkspace(await mirror(deps, id, request), "push", async () => {
    if (busy > 0) throw syncBusy(address, busy);
  });
  if (synced.status === "conflict") throw syncConflict(address, synced);
}

async function mirror(deps: BringDeps, id: string, request: MirrorRequest): Promise<Sync> {
  const { fleet, address, source, driver, objectId, ignore } = request;
  const { stateDir, env } = deps;
  const root = stageTree(stateDir, { fleet, address });
  const rules = await stageRules(
    { ...resolveStage(undefined), deny: [], max_bytes: "unlimited" },
    () => undefined,
  );
  return {
    owner: { fleet, address },
    driver,
    objectId,
    stateDir,
    root,
    leftOut: await leftOut({ source, stateDir, ignore, env }),
    rules,
    judges: false,
    id,
    now: deps.now(),
    tell: movingOf(request),
  };
}
