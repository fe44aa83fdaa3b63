import { resolve } from "node:path";
import type { ShownChange, StageDiff } from "../../../model/stage.ts";
import { renderStageHtml } from "../../../render/stage-html.ts";
import { renderStageDiff } from "../../../render/stage.ts";
import { diffStage, hasChanges } from "../../../stage/actions.ts";
import { selection } from "../../../stage/rules.ts";
import type { Invocation } from "../../invocation.ts";
import { listOption, switchOption, textOption } from "../../options.ts";
import { answer } from "../../print.ts";
import type { StageRoom } from "../../stage-selection.ts";
import { chooseStage } from "../../stage-selection.ts";
import { writeOutput } from "../../written-file.ts";

export async function act(invocation: Invocation, room: StageRoom): Promise<number> {
  const page = textOption(invocation, "html");
  const stage = await chooseStage(invocation, room, hasChanges);
  const wanted = await selection(listOption(invocation, "path"));
  const shown: ShownChange[] = [];
  const diff = await collect(diffStage(stage, room.context, wanted), shown);
  if (page !== undefined) await writeOutput(resolve(invocation.cwd, page), renderStageHtml(diff, shown));
  const stat = switchOption(invocation, "stat");
  await answer(invocation, diff, (style) => renderStageDiff(diff, shown, style, stat));
  return diff.exit_code;
}

async function collect(
  changes: AsyncGenerator<ShownChange, StageDiff>,
  shown: ShownChange[],
): Promise<StageDiff> {
  for (;;) {
    const next = await changes.next();
    if (next.done === true) return next.value;
    shown.push(next.value);
  }
}
