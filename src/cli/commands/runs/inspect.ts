import { renderRun } from "../../../render/runs.ts";
import { inspectRun } from "../../../runs/inspect-run.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { numberOption } from "../../options.ts";
import { answer, answerInvalid } from "../../print.ts";
import { selectedRun } from "../../run-selection.ts";

export async function run(invocation: Invocation): Promise<number> {
  const lines = numberOption(invocation, "tail", 0) ?? 0;
  const selection = await selectedRun(invocation);
  if (selection.status === "invalid") return await answerInvalid(invocation, selection.diagnostics);
  const inspection = await inspectRun(selection.run, lines);
  await answer(invocation, inspection, (style) => renderRun(inspection, style));
  return EXIT.ok;
}
