import type { Blocked } from "../model/plan.ts";

/** Of several outcomes, the first of these that applies is the process's exit code. */
const PRECEDENCE = [70, 1, 5, 4, 3, 69, 75, 2] as const;

export function worstExitCode(codes: readonly number[]): number {
  return PRECEDENCE.find((code) => codes.includes(code)) ?? codes.find((code) => code !== 0) ?? 0;
}

export interface PlanOutcome {
  readonly complete: boolean;
  readonly blocked: readonly Blocked[];
  readonly pending: number;
  readonly detailed: boolean;
}

/** Rules that only a person can lift. */
const REFUSALS: ReadonlySet<string> = new Set(["protected", "guard", "foreign", "image", "network", "host"]);

/** What was put off without a person's help pending counts as a change; what is held or never disrupted does not. */
export function planExitCode(outcome: PlanOutcome): number {
  const refused = outcome.blocked.some((each) => REFUSALS.has(each.rule));
  const changes = outcome.pending > 0 || outcome.blocked.some((each) => each.deferred);
  return worstExitCode([refused ? 3 : 0, outcome.complete ? 0 : 69, outcome.detailed && changes ? 2 : 0]);
}
