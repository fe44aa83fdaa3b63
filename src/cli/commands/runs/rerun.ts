import type { Invocation } from "../../invocation.ts";
import { answer, answerInvalid } from "../../print.ts";
import { repeat } from "../../repeat.ts";
import { selectedRun } from "../../run-selection.ts";

/** Exits with the command's own code. */
export async function run(invocation: Invocation): Promise<number> {
  const selection = await selectedRun(invocation);
  if (selection.status === "invalid") return await answerInvalid(invocation, selection.diagnostics);
  const repeated = await repeat(invocation, selection.run.manifest);
  if (repeated.status === "invalid") return await answerInvalid(invocation, repeated.diagnostics);
  const { rerun_of, differences, run: again } = repeated;
  if (invocation.globals.json) await answer(invocation, { rerun_of, differences, run: again }, () => "");
  return again.exit_code;
}
