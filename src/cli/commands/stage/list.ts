import type { StageList } from "../../../model/stage.ts";
import { renderStageList } from "../../../render/stage.ts";
import { listedStage } from "../../../stage/listing.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { addresses } from "../../options.ts";
import { answer } from "../../print.ts";
import type { StageRoom } from "../../stage-selection.ts";

export async function act(invocation: Invocation, { context, stages }: StageRoom): Promise<number> {
  const targets = addresses(invocation.globals.targets);
  const wanted = stages.filter(
    ({ meta }) => targets.length === 0 || targets.some((each) => each === meta.address),
  );
  const list: StageList = { stages: [], exit_code: EXIT.ok };
  for (const stage of wanted) list.stages.push(await listedStage(stage, context));
  await answer(invocation, list, (style) => renderStageList(list, style));
  return list.exit_code;
}
