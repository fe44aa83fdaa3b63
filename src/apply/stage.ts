import { SandkeepError } from "../errors.ts";
import type { Spec } from "../model/spec.ts";
import type { StageKeeper } from "../plan/stage-keeper.ts";
import { getPath } from "../util/json-path.ts";

/** Before a runtime is made: where its writes are staged, its own copy of the workspace is there. */
export async function openStageOf(
  spec: Spec,
  owner: { readonly fleet: string; readonly address: string },
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
  const { fleet, address } = owner;
  await stages.open({ fleet, address, source });
}
