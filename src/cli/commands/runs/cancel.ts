import { renderRun } from "../../../render/runs.ts";
import { cancelRun } from "../../../runs/cancel.ts";
import { inspectRun } from "../../../runs/inspect-run.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { durationOption } from "../../options.ts";
import { answer, answerInvalid } from "../../print.ts";
import { selectedRun } from "../../run-selection.ts";

const GRACE_MS = 10_000;

export async function run(invocation: Invocation): Promise<number> {
  const grace = durationOption(invocation, "grace") ?? GRACE_MS;
  const selection = await selectedRun(invocation);
  if (selection.status === "invalid") return await answerInvalid(invocation, selection.diagnostics);
  const { run: selected, state } = selection;
  const manifest = await cancelRun(state, selected, grace === "off" ? 0 : grace);
  const inspection = await inspectRun({ ...selected, manifest }, 0);
  await answer(invocation, manifest, (style) => renderRun(inspection, style));
  return EXIT.ok;
}
