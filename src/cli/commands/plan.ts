import { resolve } from "node:path";
import type { Plan } from "../../model/plan.ts";
import { ensureFingerprintKey } from "../../plan/secrets.ts";
import { renderPlan } from "../../render/plan.ts";
import { planFleet } from "../../reconcile.ts";
import { configFile, makeEngine } from "../engine.ts";
import { usageError } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { addresses, listOption, momentOption, numberOption, switchOption, textOption } from "../options.ts";
import { answer, answerInvalid, tell } from "../print.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { globals } = invocation;
  const maxDestroy = numberOption(invocation, "maxDestroy", 0);
  const replace = addresses(listOption(invocation, "replace"));
  const targets = addresses(globals.targets);
  const now = Date.now();
  const moment = momentOption(invocation, "at", now);
  if (moment !== undefined && textOption(invocation, "out") !== undefined) {
    throw usageError(
      "--at and --out were both given: what belongs to another time must not be applied today",
      "Look with --at alone, and save the plan without it.",
    );
  }
  await using host = await openHost(invocation);
  const engine = makeEngine(invocation, host);
  // What a saved plan creates must carry fingerprints; where no key can be kept, their absence means unknown.
  if (textOption(invocation, "out") !== undefined) await ensureFingerprintKey(engine).catch(() => undefined);
  const outcome = await planFleet(engine, {
    ...configFile(invocation),
    intent: {
      mode: "apply",
      ...(targets.length === 0 ? {} : { targets }),
      ...(replace.length === 0 ? {} : { replace }),
    },
    ...(moment === undefined ? {} : { at: moment - now }),
    ...(maxDestroy === undefined ? {} : { max_destroy: maxDestroy }),
    detailed_exitcode: switchOption(invocation, "detailedExitcode"),
  });
  host.clear();
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  const { plan } = outcome;
  await answerPlan(invocation, plan);
  return plan.exit_code;
}

async function answerPlan(invocation: Invocation, plan: Plan): Promise<void> {
  const out = textOption(invocation, "out");
  const verbose = switchOption(invocation, "verbose");
  if (out !== undefined) {
    const { savePlan } = await import("../plan-file.ts");
    await savePlan(plan, resolve(invocation.cwd, out));
  }
  await answer(invocation, plan, (style) => renderPlan(plan, style, { verbose }));
  if (out !== undefined)
    await tell(invocation, () => `Saved; \`sandkeep apply ${out}\` carries out exactly this.\n`);
}
