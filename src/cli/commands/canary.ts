import { resolve } from "node:path";
import { readProfile } from "../../hosts/canary/profile.ts";
import { runCanary } from "../../hosts/canary/run.ts";
import type { CanaryHistory } from "../../model/canary.ts";
import { renderCanary, renderCanaryHistory } from "../../render/canary.ts";
import { readCanaries } from "../../state/canaries.ts";
import { configFile, makeEngine } from "../engine.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import { findState } from "../held.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { switchOption, textOption } from "../options.ts";
import { answer, answerInvalid, tell } from "../print.ts";

const MOST_TOLD = 200;

export async function run(invocation: Invocation): Promise<number> {
  const [action] = invocation.args;
  if (action === "history") return await history(invocation);
  if (action !== undefined)
    throw usageError(
      `canary has no action ${JSON.stringify(action)}`,
      "There is history; without one a canary is run.",
    );
  const path = textOption(invocation, "profile");
  const profile = path === undefined ? undefined : await readProfile(resolve(invocation.cwd, path));
  await using host = await openHost(invocation);
  const outcome = await runCanary(makeEngine(invocation, host), {
    ...configFile(invocation),
    host: textOption(invocation, "host"),
    profile,
    keep: switchOption(invocation, "keep"),
  });
  host.clear();
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  const { report } = outcome;
  await tell(invocation, (style) => renderCanary(report, style));
  await answer(invocation, report, () => "");
  return report.exit_code;
}

async function history(invocation: Invocation): Promise<number> {
  for (const [key, flag] of [
    ["profile", "--profile"],
    ["keep", "--keep"],
  ] as const)
    if (invocation.options[key] !== undefined) throw usageError(`canary history has no ${flag}`);
  const found = await findState(invocation);
  if (found.status === "invalid") return await answerInvalid(invocation, found.diagnostics);
  const reports = await readCanaries(found.state, { host: textOption(invocation, "host"), most: MOST_TOLD });
  const canaries = reports.map(({ id, host, backend, started_at, duration_ms, verdict, why, steps }) => {
    const made = steps.find(({ step, status }) => step === "provision" && status === "passed");
    return {
      id,
      host,
      backend,
      started_at,
      duration_ms,
      provision_ms: made?.duration_ms ?? null,
      verdict,
      why,
    };
  });
  const document: CanaryHistory = { canaries, exit_code: EXIT.ok };
  await answer(invocation, document, (style) => renderCanaryHistory(document, style));
  return EXIT.ok;
}
