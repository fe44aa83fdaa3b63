import type { Hold } from "../model/facts.ts";
import type { ApplyResult, Outcome } from "../model/outcome.ts";
import type { Plan } from "../model/plan.ts";
import { worstExitCode } from "../plan/exit-code.ts";
import { fleetState, stateDirectory } from "../state/directory.ts";
import { readHolds } from "../state/holds.ts";
import { EXIT, usageError } from "./exit-codes.ts";
import type { Invocation } from "./invocation.ts";

// What a person named and asked to be destroyed or recreated: that nothing happens to it is no success.

/** Refuses the whole when a name is mistyped; the plan tells it only where every engine was seen. */
export function refuseUnknown(plan: Plan): void {
  const unknown = plan.diagnostics.filter(({ code }) => code === "unknown-target");
  if (unknown.length === 0) return;
  const hints = new Set(unknown.flatMap(({ hint }) => (hint === undefined ? [] : [hint])));
  throw usageError(unknown.map(({ message }) => message).join("; "), [...hints].join(" "));
}

/** The result with those that a hold kept, each with who holds it; the command is then blocked. */
export async function withHeld(
  invocation: Invocation,
  plan: Plan,
  result: ApplyResult,
  named: readonly string[],
): Promise<ApplyResult> {
  const held = plan.held.filter(({ address }) => named.includes(address));
  if (held.length === 0) return result;
  const state = fleetState(stateDirectory(invocation.env, invocation.globals.stateDir), plan.source.fleet);
  const holds = new Map((await readHolds(state, Date.now())).map((each) => [each.address, each]));
  const kept = held.map(({ address, reason }) =>
    heldOutcome(address, reason, holds.get(address) ?? holds.get("fleet")),
  );
  return {
    ...result,
    outcomes: [...result.outcomes, ...kept].toSorted((a, b) => (a.address < b.address ? -1 : 1)),
    summary: { ...result.summary, skipped: result.summary.skipped + kept.length },
    exit_code: worstExitCode([result.exit_code, EXIT.blocked]),
  };
}

function heldOutcome(address: string, reason: string, hold: Hold | undefined): Outcome {
  const by = hold === undefined ? "held" : `held by ${hold.by}`;
  const release = `\`sandkeep release ${hold?.address ?? address}\` ends the hold`;
  return {
    address,
    action: "none",
    status: "skipped",
    duration_ms: 0,
    error: null,
    reason: `${by}: ${reason}; ${release}`,
  };
}
