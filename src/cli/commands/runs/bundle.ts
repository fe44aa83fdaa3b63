import { renderBundle } from "../../../render/bundles.ts";
import { bundle } from "../../bundling.ts";
import { EXIT } from "../../exit-codes.ts";
import type { Invocation } from "../../invocation.ts";
import { switchOption } from "../../options.ts";
import { answer, answerInvalid } from "../../print.ts";
import { selectedRun } from "../../run-selection.ts";

export async function run(invocation: Invocation): Promise<number> {
  const selection = await selectedRun(invocation);
  if (selection.status === "invalid") return await answerInvalid(invocation, selection.diagnostics);
  const strict = switchOption(invocation, "strict");
  const check = { verify: switchOption(invocation, "verify") || strict, strict };
  const made = await bundle(invocation, selection.state, selection.run, check);
  await answer(invocation, made, (style) => renderBundle(made, style));
  return made.verification?.ok === false ? EXIT.failed : EXIT.ok;
}
