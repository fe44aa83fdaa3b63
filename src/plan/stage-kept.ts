import type { Decision } from "../diff/diff.ts";
import { SandkeepError } from "../errors.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { PlanRequest } from "../model/intent.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import { engineKey } from "../observe/engines.ts";
import { getPath } from "../util/json-path.ts";
import { isCandidate } from "./doomed.ts";
import type { Engine } from "./engine.ts";
import type { Survey } from "./survey.ts";

/** Whether the agent works on a copy elsewhere, and its stage here has only what was fetched of that. */
function isStagedElsewhere({ labels }: ObservedRuntime): boolean {
  const { values } = labels.spec;
  return getPath(values, "writes") === "staged" && getPath(values, "workspace.provider") === "volume";
}

/** Whether what is only in the copy elsewhere is fetched before that is deleted. In a mere candidate nobody has worked. */
export function collectsStage({ situation }: Decision, { no_salvage }: PlanRequest): boolean {
  const { current } = situation;
  return no_salvage !== true && current !== undefined && !isCandidate(current) && isStagedElsewhere(current);
}

/** An agent's unapplied work is in no runtime, so none of it goes with one; who takes a runtime away hears of it all the same. */
export async function keptStages(
  { stages }: Engine,
  { fleet }: Survey,
  decisions: readonly Decision[],
): Promise<readonly Diagnostic[]> {
  const found: Diagnostic[] = [];
  for (const { situation, verdict } of decisions) {
    const { address, current, desired } = situation;
    const staged = current !== undefined && getPath(current.labels.spec.values, "writes") === "staged";
    const stays = verdict.action === "recreate" && desired?.settings.writes === "staged";
    if (stages === undefined || !staged || stays) continue;
    if (verdict.action !== "remove" && verdict.action !== "recreate") continue;
    const count = await stages.unapplied({ fleet, address }).catch((thrown: unknown) => {
      // A stage that cannot be read stops no plan; `stage list` says why.
      if (thrown instanceof SandkeepError) return undefined;
      throw thrown;
    });
    // What is only elsewhere is not counted, and is there or not.
    const elsewhere = verdict.workspace === "delete" && isStagedElsewhere(current);
    if ((count === undefined || count === 0) && !elsewhere) continue;
    const counted = `${count ?? 0} unapplied ${count === 1 ? "change" : "changes"}`;
    const more = elsewhere
      ? `, and what is only on ${engineKey(situation)} comes there first, unless --no-salvage is given`
      : "";
    found.push({
      severity: "info",
      code: "stage-kept",
      message: `${address} has ${counted} in its stage, which is kept${more}`,
      path: "",
      hint: `sandkeep stage diff ${address} shows them; stage apply or discard settles them`,
    });
  }
  return found;
}
