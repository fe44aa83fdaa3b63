import { renderDiagnostics } from "../../render/diagnostics.ts";
import { validateFleet } from "../../policy/fleet.ts";
import { configFile, makeEngine } from "../engine.ts";
import { EXIT } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { answer } from "../print.ts";

export async function run(invocation: Invocation): Promise<number> {
  await using host = await openHost(invocation);
  const { ok, diagnostics } = await validateFleet(makeEngine(invocation, host), configFile(invocation));
  await answer(invocation, { ok, diagnostics }, (style) => {
    const problems = renderDiagnostics(diagnostics, style);
    return ok ? `${problems}The config is valid.\n` : problems;
  });
  return ok ? EXIT.ok : EXIT.invalid;
}
