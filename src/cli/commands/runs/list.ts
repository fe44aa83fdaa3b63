import { findRuns } from "../../../runs/history.ts";
import { renderRunList } from "../../../render/runs.ts";
import { EXIT } from "../../exit-codes.ts";
import { findState } from "../../held.ts";
import type { Invocation } from "../../invocation.ts";
import { numberOption } from "../../options.ts";
import { answer, answerInvalid } from "../../print.ts";
import { originOptions, statusOption } from "../../run-selection.ts";

export async function run(invocation: Invocation): Promise<number> {
  const filter = { ...originOptions(invocation), ...statusOption(invocation) };
  const limit = numberOption(invocation, "limit", 1);
  const found = await findState(invocation);
  if (found.status === "invalid") return await answerInvalid(invocation, found.diagnostics);
  const now = Date.now();
  const list = await findRuns(found.state, { ...filter, ...(limit === undefined ? {} : { limit }), now });
  await answer(invocation, list, (style) => renderRunList(list, style, now));
  return EXIT.ok;
}
