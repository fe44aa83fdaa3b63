/** In: a request. Out: what there is, what is decided about it, and what that would destroy. Read-only by type. */
import type { Decision } from "../diff/diff.ts";
import type { PlanRequest } from "../model/intent.ts";
import type { PausedRollout } from "../model/rollout.ts";
import type { Invalid, LoadedFleet } from "../policy/fleet.ts";
import { decideAll } from "./decide.ts";
import { withLosses } from "./losses.ts";
import type { Engine, Survey, SurveyRequest } from "./survey.ts";
import { surveyFor } from "./survey.ts";

export interface WeighOptions {
  /** The fleet's config where it is known already. */
  readonly config?: LoadedFleet | undefined;
  /** Addresses left alone in this cycle. */
  readonly skip?: ReadonlySet<string>;
  /** What failed in an earlier cycle and is not to be tried on others in this one. */
  readonly paused?: readonly PausedRollout[];
  /** Nobody reads the plan: what goes is measured only where a bundle of it is kept. */
  readonly unattended?: boolean;
  /** Addresses that a request is for, of what there is, in place of those it names. */
  readonly select?: ((seen: Survey) => readonly string[]) | undefined;
}

interface Weighed {
  readonly status: "weighed";
  /** What was asked for, with the addresses that were selected. */
  readonly asked: PlanRequest;
  readonly seen: Survey;
  readonly decisions: readonly Decision[];
}

/** What would go is looked at over the connections that saw it. */
export async function weigh(
  engine: Engine,
  request: PlanRequest,
  { config, skip, paused, unattended, select }: WeighOptions = {},
): Promise<Weighed | Invalid> {
  const look = surveyRequest(request, config);
  const all = select === undefined ? look : { ...look, addresses: undefined };
  return await surveyFor(engine, all, async (surveyed, open) => {
    const asked = select === undefined ? request : withTargets(request, select(surveyed));
    const decisions = decideAll(surveyed, asked, skip, paused);
    const measuring = { unattended: unattended === true ? asked : undefined };
    const seen = await withLosses(engine, open, surveyed, decisions, measuring);
    return { status: "weighed", asked, seen, decisions };
  });
}

function withTargets(request: PlanRequest, targets: readonly string[]): PlanRequest {
  return { ...request, intent: { ...request.intent, targets } };
}

export function surveyRequest(request: PlanRequest, config?: LoadedFleet): SurveyRequest {
  const { intent, file, fleet, at, ephemeral } = request;
  const wanted = intent.mode === "apply" ? (intent.wake ?? []) : [];
  const of = { file, fleet, at, config, wanted, ephemeral };
  return { ...of, addresses: intent.targets, thorough: intent.mode === "destroy" };
}
