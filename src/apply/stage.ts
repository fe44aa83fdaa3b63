import { existsSync } from "node:fs";
import { SandkeepError } from "../errors.ts";
import type { Spec } from "../model/spec.ts";
import type { StageKeeper } from "../plan/stage-keeper.ts";
import { getPath } from "../util/json-path.ts";
import { stageFolder } from "../util/stage-place.ts";
import type { ApplyContext } from "./context.ts";

/** Before a runtime is made: where its writes are staged, its own copy of the workspace is there. */
export async function openStageOf(
  spec: Spec,
  owner: { readonly fleet: string; readonly address: string; readonly host: string },
  stages: StageKeeper | undefined,
): Promise<void> {
  if (getPath(spec.values, "writes") !== "staged") return;
  const source = getPath(spec.values, "workspace.source");
  if (stages === undefined || typeof source !== "string") {
    throw new SandkeepError("nothing here keeps stages, and staged writes never become direct ones", {
      code: "NO_STAGES",
      hint: "hand in `stages` with the engine",
      blame: "tool",
    });
  }
  const { fleet, address, host } = owner;
  await stages.open({ fleet, address, source, engine: { backend: spec.backend, host } });
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
