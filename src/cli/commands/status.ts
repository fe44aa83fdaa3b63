import { fleetPosture } from "../../plan/posture.ts";
import { renderPosture } from "../../render/posture.ts";
import { configFile, makeEngine } from "../engine.ts";
import { EXIT } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { switchOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";

export async function run(invocation: Invocation): Promise<number> {
  await using host = await openHost(invocation);
  const outcome = await fleetPosture(makeEngine(invocation, host), {
    ...configFile(invocation),
    probe: switchOption(invocation, "probe"),
  });
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  const { posture } = outcome;
  await answer(invocation, posture, (style) => renderPosture(posture, style));
  return posture.status === "unavailable" ? EXIT.unreachable : EXIT.ok;
}
