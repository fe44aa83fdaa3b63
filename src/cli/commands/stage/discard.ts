import type { StageDiscard } from "../../../model/stage.ts";
import { count, joinBlocks, paragraph } from "../../../render/layout.ts";
import { renderStageDiscard } from "../../../render/stage.ts";
import { aboutOf, discardStage, hasChanges } from "../../../stage/actions.ts";
import { selection } from "../../../stage/rules.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { listOption } from "../../options.ts";
import { answer } from "../../print.ts";
import { approveStage } from "../../stage-consent.ts";
import type { StageRoom } from "../../stage-selection.ts";
import { chooseStage } from "../../stage-selection.ts";

export async function act(invocation: Invocation, room: StageRoom): Promise<number> {
  const paths = listOption(invocation, "path");
  const stage = await chooseStage(invocation, room, hasChanges);
  const wanted = paths.length === 0 ? "all" : await selection(paths);
  const outcome = await discardStage(stage, room.context, wanted, async (doomed) => {
    const question = `Throw away ${count(doomed.length, "change")} of ${stage.meta.address}? They cannot be had back.`;
    return await approveStage(invocation, question, (style) =>
      joinBlocks([doomed.flatMap((path) => paragraph(style, path, { indent: 2 }))]),
    );
  });
  if (outcome.status === "discarded") await room.send(stage);
  const exit_code = outcome.status === "declined" ? EXIT.blocked : EXIT.ok;
  const document: StageDiscard = { stage: aboutOf(stage), ...outcome, exit_code };
  await answer(invocation, document, (style) => renderStageDiscard(document, style));
  return exit_code;
}
