import type { Decision } from "../diff/diff.ts";
import { SandkeepError } from "../errors.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import { getPath } from "../util/json-path.ts";
import type { Engine, Survey } from "./survey.ts";

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
    if (count === undefined || count === 0) continue;
    found.push({
      severity: "info",
      code: "stage-kept",
      message: `${address} has ${count} unapplied ${count === 1 ? "change" : "changes"} in its stage, which is kept`,
      path: "",
      hint: `sandkeep stage diff ${address} shows them; stage apply or discard settles them`,
    });
  }
  return found;
}
