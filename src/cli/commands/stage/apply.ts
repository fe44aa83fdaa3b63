import type { StageApply } from "../../../model/stage.ts";
import { count } from "../../../render/layout.ts";
import { renderStageApply, renderStageQuestion } from "../../../render/stage.ts";
import type { ApplyOutcome } from "../../../stage/actions.ts";
import { applyStage, exitOf, hasChanges } from "../../../stage/actions.ts";
import { selection } from "../../../stage/rules.ts";
import { appliedIds } from "../../../stage/carry-out.ts";
import { reverseStage } from "../../../stage/take-back.ts";
import type { Invocation } from "../../invocation.ts";
import { listOption, switchOption } from "../../options.ts";
import { answer } from "../../print.ts";
import type { StageRoom } from "../../stage-selection.ts";
import { chooseStage } from "../../stage-selection.ts";
import { approveStage } from "../../stage-consent.ts";

export async function act(invocation: Invocation, room: StageRoom): Promise<number> {
  const reverse = switchOption(invocation, "reverse");
  const wanted = await selection(listOption(invocation, "path"));
  const open = reverse
    ? async (stage: Parameters<typeof appliedIds>[0]) => (await appliedIds(stage)).length > 0
    : hasChanges;
  const stage = await chooseStage(invocation, room, open);
  const approve = async ({ applied }: ApplyOutcome): Promise<boolean> => {
    const verb = reverse ? "Take back" : "Apply";
    const question = `${verb} ${count(applied.length, "change")} ${reverse ? "from" : "to"} ${stage.meta.source}?`;
    return await approveStage(invocation, question, (style) => renderStageQuestion(applied, style));
  };
  const carryOut = reverse ? reverseStage : applyStage;
  const outcome = await carryOut(stage, room.context, wanted, approve);
  const document: StageApply = { ...outcome, exit_code: exitOf(outcome) };
  await answer(invocation, document, (style) => renderStageApply(document, style));
  return document.exit_code;
}
