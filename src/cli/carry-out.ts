import { assertNever } from "../errors.ts";
import { cacheCuts } from "../model/cache.ts";
import type { PlanRequest } from "../model/intent.ts";
import type { ApplyResult } from "../model/outcome.ts";
import type { Plan } from "../model/plan.ts";
import { isNoOp } from "../render/change.ts";
import { count } from "../render/layout.ts";
import { renderPlan } from "../render/plan.ts";
import { renderResult } from "../render/result.ts";
import { reconcile } from "../reconcile.ts";
import { signalExit } from "../util/signal-exit.ts";
import { confirm } from "./confirm.ts";
import { makeEngine } from "./engine.ts";
import { EXIT } from "./exit-codes.ts";
import type { EventHost } from "./hosts/host.ts";
import { openHost } from "./hosts/host.ts";
import type { Interrupts } from "./interrupts.ts";
import { catchInterrupts } from "./interrupts.ts";
import type { Invocation } from "./invocation.ts";
import { styleFor } from "./invocation.ts";
import { refuseUnknown, withHeld } from "./named.ts";
import { numberOption, switchOption } from "./options.ts";
import { answer, answerInvalid, tell, write } from "./print.ts";
import { staySmall } from "./start-flags.ts";

/** Interrupts of a command that changes things: running steps are finished first. */
export function finishFirst(invocation: Invocation, host: () => EventHost | undefined): Interrupts {
  return catchInterrupts({
    onFirst(signal) {
      host()?.clear();
      invocation.streams.stderr.write(`${signal}: finishing what is running; once more leaves at once\n`);
    },
    onSecond(code) {
      host()?.clear();
      process.exit(code);
    },
  });
}

function isEmpty(plan: Plan): boolean {
  return plan.graph.length === 0 && plan.changes.every(isNoOp) && cacheCuts(plan).length === 0;
}

const QUESTIONS = {
  apply: "Apply",
  recreate: "Recreate: carry out",
  prune: "Prune: carry out",
  destroy: "Destroy, with workspaces: carry out",
} as const satisfies Record<Plan["mode"], string>;

/** Shows the plan where a person looks, and asks unless nothing would change or `--yes` was given. */
export async function approve(plan: Plan, invocation: Invocation, interrupts: Interrupts): Promise<boolean> {
  const { stdout, stderr } = invocation.streams;
  const stream = invocation.globals.json ? stderr : stdout;
  const style = styleFor(invocation, stream);
  if (!(invocation.globals.quiet && invocation.globals.json)) {
    await write(stream, renderPlan(plan, style, { verbose: false }));
  }
  if (isEmpty(plan) || switchOption(invocation, "yes") || switchOption(invocation, "force")) return true;
  const networks = (plan.networks ?? []).filter((each) => each.action !== "no-op").length;
  const changes = plan.changes.filter((change) => !isNoOp(change)).length + networks + cacheCuts(plan).length;
  const reseeds = plan.changes.some(({ impact }) => impact.workspace === "reseeded");
  const asked = reseeds ? "Recreate, with workspaces: carry out" : QUESTIONS[plan.mode];
  const question = `${asked} ${count(changes, "change")} to fleet ${plan.source.fleet}?`;
  return await confirm(question, invocation.streams, interrupts);
}

/** The result as answer; the exit code says when it was cut short by a signal. */
export async function answerResult(
  invocation: Invocation,
  result: ApplyResult,
  interrupts: Interrupts,
): Promise<number> {
  const signal = interrupts.received();
  const code = signal === undefined ? result.exit_code : signalExit(signal);
  await answer(invocation, { ...result, exit_code: code }, (style) => `\n${renderResult(result, style)}`);
  return code;
}

/**
 * Plans, asks, applies and tells: the body of apply, recreate, prune and destroy. `named` are addresses that a person
 * gave, of which each must exist and be free.
 */
export async function carryOut(
  invocation: Invocation,
  request: PlanRequest,
  named: readonly string[] = [],
): Promise<number> {
  staySmall();
  const parallelism = numberOption(invocation, "parallelism", 1);
  await using host = await openHost(invocation, { answered: true });
  using interrupts = finishFirst(invocation, () => host);
  const outcome = await reconcile(makeEngine(invocation, host), request, {
    approve: (plan) => {
      host.clear();
      if (named.length > 0) refuseUnknown(plan);
      return approve(plan, invocation, interrupts);
    },
    signal: interrupts.soft,
    ...(parallelism === undefined ? {} : { parallelism }),
  });
  host.clear();
  switch (outcome.status) {
    case "invalid":
      return await answerInvalid(invocation, outcome.diagnostics);
    case "declined":
      return await answerDeclined(invocation, outcome.plan, interrupts);
    case "applied": {
      const result = await withHeld(invocation, outcome.plan, outcome.result, named);
      return await answerResult(invocation, result, interrupts);
    }
    default:
      return assertNever(outcome);
  }
}

async function answerDeclined(invocation: Invocation, plan: Plan, interrupts: Interrupts): Promise<number> {
  await tell(invocation, () => "Nothing was changed.\n");
  if (invocation.globals.json) {
    const error = { code: "DECLINED", message: "the plan was not confirmed", hint: "Nothing was changed." };
    await answer(invocation, { error, plan_id: plan.plan_id }, () => "");
  }
  const signal = interrupts.received();
  return signal === undefined ? EXIT.blocked : signalExit(signal);
}
