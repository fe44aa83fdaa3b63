/** In: a request. Out: what there is, what is decided about it, and what that would destroy. Read-only by type. */
import type { Decision } from "../diff/diff.ts";
import type { PlanRequest } from "../model/intent.ts";
import type { PausedRollout } from "../model/rollout.ts";
import type { Invalid, LoadedFleet } from "../policy/fleet.ts";
import { decideAll } from "./decide.ts";
import { withLosses } from "./losses.ts";
import type { Engine } from "./engine.ts";
import type { Survey, SurveyRequest } from "./survey.ts";
import { surveyFor } from "./survey.ts";

export interface WeighOptions {
  /** The fleet's config where it is known already. */
  readonly config?: LoadedFleet | undefined;
  /** Addresses left alone in this cycle. */
  readonly skip?: ReadonlySet<string>;
  /** What failed in an earlier cycle and is not to be tried on others in this one. */
  readonly paused?: readonly PausedRollout[];
  /** Only the engines that the targets belong on are looked at: one that hangs holds up nobody elsewhere. */
  readonly nearby?: boolean;
  /** Nobody reads the plan: what goes is measured only where a bundle of it is kept. */
  readonly unattended?: boolean;
}

interface Weighed {
  readonly status: "weighed";
  readonly seen: Survey;
  readonly decisions: readonly Decision[];
}

/** What would go is looked at over the connections that saw it. */
export async function weigh(
  engine: Engine,
  request: PlanRequest,
  { config, skip, paused, nearby, unattended }: WeighOptions = {},
): Promise<Weighed | Invalid> {
  return await surveyFor(engine, { ...surveyRequest(request, config), nearby }, async (surveyed, open) => {
    const decisions = decideAll(surveyed, request, skip, paused);
    const measuring = { unattended: unattended === true ? request : undefined };
    const seen = await withLosses(engine, open, surveyed, decisions, measuring);
    return { status: "weighed", seen, decisions };
  });
}

export function surveyRequest(request: PlanRequest, config?: LoadedFleet): SurveyRequest {
  const { intent, file, fleet, at, ephemeral } = request;
  const wanted = intent.mode === "apply" ? (intent.wake ?? []) : [];
  const of = { file, fleet, at, config, wanted, ephemeral };
  return { ...of, addresses: intent.targets, thorough: intent.mode === "destroy" };
}
