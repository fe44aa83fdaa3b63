import { renderRunStatus } from "../../../render/runs.ts";
import { ledgerStatus } from "../../../runs/ledger-status.ts";
import { EXIT } from "../../exit-codes.ts";
import { findState } from "../../held.ts";
import type { Invocation } from "../../invocation.ts";
import { answer, answerInvalid } from "../../print.ts";

export async function run(invocation: Invocation): Promise<number> {
  const found = await findState(invocation);
  if (found.status === "invalid") return await answerInvalid(invocation, found.diagnostics);
  const now = Date.now();
  const status = await ledgerStatus(found.state, now);
  await answer(invocation, status, (style) => renderRunStatus(status, style, now));
  return EXIT.ok;
}
