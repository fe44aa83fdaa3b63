import { renderCleanup } from "../../../render/run-care.ts";
import { cleanUpRuns } from "../../../runs/cleanup.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { durationOption, switchOption, textOption } from "../../options.ts";
import { answer, answerInvalid } from "../../print.ts";
import { findLedger } from "../../run-selection.ts";

export async function run(invocation: Invocation): Promise<number> {
  const older = durationOption(invocation, "olderThan");
  const source = textOption(invocation, "source");
  const found = await findLedger(invocation);
  if (found.status === "invalid") return await answerInvalid(invocation, found.diagnostics);
  const { cleanup } = found.settings;
  const chosen = source ?? cleanup.source;
  const result = await cleanUpRuns(found.state, {
    olderThan: older === undefined ? cleanup.older_than : older === "off" ? 0 : older,
    failedOnly:
      switchOption(invocation, "failedOnly") ||
      (cleanup.failed_only && !switchOption(invocation, "allStatus")),
    source: chosen === "all" ? undefined : chosen,
    dryRun: switchOption(invocation, "dryRun"),
    now: Date.now(),
  });
  await answer(invocation, result, (style) => renderCleanup(result, style));
  return (result.counts["delete_failed"] ?? 0) > 0 ? EXIT.failed : EXIT.ok;
}
