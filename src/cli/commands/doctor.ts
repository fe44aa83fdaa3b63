import { renderDoctor } from "../../render/doctor.ts";
import { examine } from "../../runs/doctor/doctor.ts";
import { configFile, fleetName, makeEngine } from "../engine.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { switchOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";

/** Also `runs doctor`. Exits with 1 while something is not as it should be, and with 69 where an engine cannot be seen. */
export async function run(invocation: Invocation): Promise<number> {
  await using host = await openHost(invocation);
  const done = await examine(makeEngine(invocation, host), {
    ...configFile(invocation),
    ...fleetName(invocation),
    fix: switchOption(invocation, "fix"),
    dryRun: switchOption(invocation, "dryRun"),
  });
  host.clear();
  if (done.status === "invalid") return await answerInvalid(invocation, done.diagnostics);
  await answer(invocation, done.report, (style) => renderDoctor(done.report, style));
  return done.report.exit_code;
}
