import { resolve } from "node:path";
import type { StageExport } from "../../../model/stage.ts";
import { count, joinBlocks, paragraph } from "../../../render/layout.ts";
import type { Style } from "../../../render/style.ts";
import { aboutOf, hasChanges, lookAtStage } from "../../../stage/actions.ts";
import { makePatch } from "../../../stage/patch.ts";
import { selection } from "../../../stage/rules.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { listOption, textOption } from "../../options.ts";
import { answer, tell, write } from "../../print.ts";
import type { StageRoom } from "../../stage-selection.ts";
import { chooseStage } from "../../stage-selection.ts";
import { writeOutput } from "../../written-file.ts";

export async function act(invocation: Invocation, room: StageRoom): Promise<number> {
  const named = textOption(invocation, "output");
  const stage = await chooseStage(invocation, room, hasChanges);
  const wanted = await selection(listOption(invocation, "path"));
  using look = await lookAtStage(stage, room.context, wanted);
  const { bytes, files, left_out } = makePatch(look.decision.chosen, look.trees);
  const output = named === undefined ? null : resolve(invocation.cwd, named);
  if (output !== null) await writeOutput(output, bytes);
  const document: StageExport = {
    stage: aboutOf(stage),
    output,
    patch_base64: output === null ? bytes.toString("base64") : null,
    files,
    bytes: bytes.length,
    left_out,
    exit_code: EXIT.ok,
  };
  if (invocation.globals.json) await answer(invocation, document, () => "");
  else if (output === null) await write(invocation.streams.stdout, bytes);
  if (!invocation.globals.json) await tell(invocation, (style) => about(document, style));
  return document.exit_code;
}

function about({ files, output, left_out }: StageExport, style: Style): string {
  const where = output === null ? "" : ` in ${output}`;
  return joinBlocks([
    paragraph(style, `a patch of ${count(files, "file")}${where}; \`git apply\` takes it in the workspace`),
    left_out.flatMap(({ path, why }) => paragraph(style, `not in it: ${path}: ${why}`, { tone: "warning" })),
  ]);
}
