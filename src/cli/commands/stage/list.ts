import type { StageList } from "../../../model/stage.ts";
import { renderStageList } from "../../../render/stage.ts";
import { listedBroken, listedStage } from "../../../stage/listing.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { answer } from "../../print.ts";
import type { StageRoom } from "../../stage-selection.ts";

export async function act(
  invocation: Invocation,
  { context, stages, broken, isMeant }: StageRoom,
): Promise<number> {
  const list: StageList = {
    stages: [],
    broken: broken.filter(({ address }) => isMeant(address)).map(listedBroken),
    exit_code: EXIT.ok,
  };
  for (const stage of stages.filter(({ meta }) => isMeant(meta.address)))
    list.stages.push(await listedStage(stage, context));
  await answer(invocation, list, (style) => renderStageList(list, style));
  return list.exit_code;
}
