/**
 * The flow, top to bottom: config → resolve → desire → observe → diff → plan → apply.
 * The CLI, the watch loop and the HTTP API all come through here; there is no second path.
 */
import type { TakeOptions } from "./apply/session.ts";
import type { PlanRequest } from "./model/intent.ts";
import type { ApplyResult } from "./model/outcome.ts";
import type { Plan } from "./model/plan.ts";
import { planFrom } from "./plan/decide.ts";
import type { Engine } from "./plan/engine.ts";
import { survey } from "./plan/survey.ts";
import type { WeighOptions } from "./plan/weigh.ts";
import { surveyRequest, weigh } from "./plan/weigh.ts";
import type { Invalid } from "./policy/fleet.ts";

export type { Engine } from "./plan/engine.ts";
export type { Invalid } from "./policy/fleet.ts";

export interface ApplyOptions extends TakeOptions {
  readonly parallelism?: number;
  /** Once aborted no change is begun; those under way are finished. */
  readonly signal?: AbortSignal;
}

export interface ReconcileOptions extends ApplyOptions, Omit<WeighOptions, "config"> {
  readonly approve: (plan: Plan) => Promise<boolean>;
}

type Applied = { readonly status: "applied"; readonly plan: Plan; readonly result: ApplyResult };

/** What would be done. Reads only: the drivers it is given have no method that changes anything. */
export async function planFleet(
  engine: Engine,
  request: PlanRequest,
): Promise<{ readonly status: "planned"; readonly plan: Plan } | Invalid> {
  const weighed = await weigh(engine, request);
  if (weighed.status === "invalid") return weighed;
  return { status: "planned", plan: planFrom(weighed.seen, weighed.decisions, request, engine.toolVersion) };
}

/** Plans and, once approved, applies exactly that plan, as the fleet's single writer in this state directory. */
export async function reconcile(
  engine: Engine,
  request: PlanRequest,
  options: ReconcileOptions,
): Promise<Applied | { readonly status: "declined"; readonly plan: Plan } | Invalid> {
  const { applyPlan, remember, takeFleet } = await import("./apply/session.ts");
  const own = await takeFleet(engine, request, options);
  if ("status" in own) return own;
  await using lease = own.lease;
  const weighed = await weigh(engine, request, { ...options, config: own.config });
  if (weighed.status === "invalid") return weighed;
  const { seen, decisions } = weighed;
  const plan = planFrom(seen, decisions, request, engine.toolVersion);
  if (!(await options.approve(plan))) return { status: "declined", plan };
  const { parallelism, signal } = options;
  await remember(seen, decisions, request.intent.targets === undefined);
  const result = await applyPlan(plan, { engine, seen, lease, stale: new Map(), parallelism, signal });
  return { status: "applied", plan, result };
}

/** Applies a saved plan, change by change: what no longer fits is reported stale, and the rest is done. */
export async function applySavedPlan(
  engine: Engine,
  plan: Plan,
  options: ApplyOptions,
  file?: string,
): Promise<Applied | Invalid> {
  const { applyPlan, assertSameFleet, staleChanges, takeFleet } = await import("./apply/session.ts");
  const fleet = plan.source.file === null ? { fleet: plan.source.fleet } : {};
  const request = { intent: { mode: "apply" }, ...fleet, ...(file === undefined ? {} : { file }) } as const;
  const own = await takeFleet(engine, request, options);
  if ("status" in own) return own;
  await using lease = own.lease;
  assertSameFleet(plan, own.config);
  const seen = await survey(engine, surveyRequest(request, own.config));
  if (seen.status === "invalid") return seen;
  const stale = staleChanges(plan, seen.observations, seen.images, seen.facts.owner, seen.now);
  const { parallelism, signal } = options;
  const result = await applyPlan(plan, { engine, seen, lease, stale, parallelism, signal });
  return { status: "applied", plan, result };
}
