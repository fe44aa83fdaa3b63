import { existsSync } from "node:fs";
import { SandkeepError, toError } from "../errors.ts";
import type { GraphNode } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import type { StageKeeper } from "../plan/stage-keeper.ts";
import { getPath } from "../util/json-path.ts";
import { stageFolder } from "../util/stage-place.ts";
import type { ApplyContext, ChangeRun } from "./context.ts";

/** Before a runtime is made: where its writes are staged, its own copy of the workspace is there. */
export async function openStageOf(
  spec: Spec,
  owner: { readonly fleet: string; readonly address: string; readonly host: string },
  stages: StageKeeper | undefined,
): Promise<void> {
  if (getPath(spec.values, "writes") !== "staged") return;
  const source = getPath(spec.values, "workspace.source");
  if (stages === undefined || typeof source !== "string") {
    throw noStages();
  }
  const { fleet, address, host } = owner;
  await stages.open({ fleet, address, source, engine: { backend: spec.backend, host } });
}

/**
 * Before a workspace on another machine is deleted: what the agent did there is in its stage. Whatever goes wrong is thrown,
 * so that the removal does not happen. The caller holds the address.
 */
export async function collectStageOf(
  { address, object_id, backend, host }: Extract<GraphNode, { op: "collect" }>,
  { driver }: Pick<ChangeRun, "driver">,
  { plan, stages, sink }: Pick<ApplyContext, "plan" | "stages" | "sink">,
): Promise<void> {
  const seen = await driver.inspect(object_id);
  if (seen === undefined) return;
  const { values } = seen.labels.spec;
  const source = getPath(values, "workspace.source");
  try {
    if (stages === undefined || typeof source !== "string") throw noStages();
    await stages.collect({
      fleet: plan.source.fleet,
      address,
      source,
      engine: { backend, host },
      ignore: getPath(values, "workspace.ignore") === "gitignore" ? "gitignore" : "off",
      driver,
      objectId: object_id,
      staged: true,
      busy: 0,
      tell: (message) => sink.notify({ type: "note", level: "info", code: "SYNC", message }),
    });
  } catch (thrown) {
    const { message } = toError(thrown);
    throw new SandkeepError(`what the agent left could not be fetched into its stage: ${message}`, {
      code: "STAGE_NOT_FETCHED",
      kind: thrown instanceof SandkeepError ? thrown.kind : "terminal",
      hint: "see that it runs and can be reached, or give --no-salvage: what is only there goes with it then",
      cause: thrown,
    });
  }
}

/** After a runtime was taken away, and no other takes its place. */
export async function leaveStageOf(
  address: string,
  { plan, stateDir, stages }: Pick<ApplyContext, "plan" | "stateDir" | "stages">,
): Promise<void> {
  const owner = { fleet: plan.source.fleet, address };
  // Most runtimes have none, and what keeps stages is loaded for those that do.
  if (existsSync(stageFolder(stateDir, owner))) await stages?.leave(owner);
}

function noStages(): SandkeepError {
  return new SandkeepError("nothing here keeps stages, and staged writes never become direct ones", {
    code: "NO_STAGES",
    hint: "hand in `stages` with the engine",
    blame: "tool",
  });
}
