import type { StageList } from "../../../model/stage.ts";
import { renderStageList } from "../../../render/stage.ts";
import { listedBroken, listedStage } from "../../../stage/listing.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { addresses } from "../../options.ts";
import { answer } from "../../print.ts";
import type { StageRoom } from "../../stage-selection.ts";

export async function act(invocation: Invocation, { context, stages, broken }: StageRoom): Promise<number> {
  const targets = addresses(invocation.globals.targets);
  const wanted = (address: string): boolean =>
    targets.length === 0 || targets.some((each) => each === address);
  const list: StageList = {
    stages: [],
    broken: broken.filter(({ address }) => wanted(address)).map(listedBroken),
    exit_code: EXIT.ok,
  };
  for (const stage of stages.filter(({ meta }) => wanted(meta.address)))
    list.stages.push(await listedStage(stage, context));
  await answer(invocation, list, (style) => renderStageList(list, style));
  return list.exit_code;
}
