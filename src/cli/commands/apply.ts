import { resolve } from "node:path";
import { applySavedPlan } from "../../reconcile.ts";
import { answerResult, approve, carryOut, finishFirst } from "../carry-out.ts";
import { configFile, makeEngine } from "../engine.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { addresses, listOption, numberOption } from "../options.ts";
import { answerInvalid, tell } from "../print.ts";
import { staySmall } from "../start-flags.ts";

async function applyFile(invocation: Invocation, file: string): Promise<number> {
  staySmall();
  const { readPlan } = await import("../plan-file.ts");
  const plan = await readPlan(resolve(invocation.cwd, file));
  const parallelism = numberOption(invocation, "parallelism", 1);
  await using host = await openHost(invocation, { answered: true });
  using interrupts = finishFirst(invocation, () => host);
  if (!(await approve(plan, invocation, interrupts))) {
    await tell(invocation, () => "Nothing was changed.\n");
    return EXIT.blocked;
  }
  const engine = makeEngine(invocation, host);
  const outcome = await applySavedPlan(
    engine,
    plan,
    { signal: interrupts.soft, ...(parallelism === undefined ? {} : { parallelism }) },
    configFile(invocation).file,
  );
  host.clear();
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  return await answerResult(invocation, outcome.result, interrupts);
}

export async function run(invocation: Invocation): Promise<number> {
  const [file] = invocation.args;
  const targets = addresses(invocation.globals.targets);
  const replace = addresses(listOption(invocation, "replace"));
  const maxDestroy = numberOption(invocation, "maxDestroy", 0);
  if (file !== undefined) {
    if (targets.length + replace.length === 0 && maxDestroy === undefined)
      return await applyFile(invocation, file);
    throw usageError(
      "a saved plan is carried out as it is",
      "Give --target, --replace and --max-destroy to `plan --out`.",
    );
  }
  return await carryOut(invocation, {
    ...configFile(invocation),
    intent: {
      mode: "apply",
      ...(targets.length === 0 ? {} : { targets }),
      ...(replace.length === 0 ? {} : { replace }),
    },
    ...(maxDestroy === undefined ? {} : { max_destroy: maxDestroy }),
  });
}
