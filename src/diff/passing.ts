import type { RuntimeLabels } from "../model/labels.ts";
import { parseAddress } from "../model/names.ts";
import type { RuleContext } from "./rules.ts";
import { gate } from "./disruption.ts";
import type { Situation } from "./situation.ts";
import type { Verdict } from "./verdict.ts";

/** A runtime of a passing role belongs to no declaration: it is removed once it has expired, or when all is. */
export function decidePassing(situation: Situation, labels: RuntimeLabels, context: RuleContext): Verdict {
  const { address, hold, usage } = situation;
  const { role, expires_at } = labels;
  if (!context.selected(address)) return rest("unselected", "not among the targets");
  if (hold !== undefined) return rest("held", `held: ${hold.reason}`);
  if (context.skip.has(address)) return rest("back-off", "waiting after a failure");
  const removal = { action: "remove", reasons: [], dormant: false, workspace: "delete" } as const;
  if (context.intent.mode === "destroy") {
    return { ...removal, why: "destroy was asked for", cause: "requested" };
  }
  // A canary that was made for a try goes with it, as what was made for a run goes with that.
  if (role === "ephemeral" || parseAddress(address)?.scope === "ephemeral") {
    const [run] = usage?.runs ?? [];
    if (run !== undefined) return rest("waiting", `${role}, in use by run ${run.run_id}`);
    // Other machines cannot know whether a run of this one goes on: they go by its time alone.
    if (labels.keep !== true && labels.owner === context.owner)
      return { ...removal, why: `${role}, and its run is over`, cause: "expired" };
  }
  if ((expires_at ?? Infinity) > context.now) return rest("waiting", `${role}, not expired yet`);
  return gate(situation, context, { ...removal, why: `${role}, expired`, cause: "expired" });
}

function rest(kind: "unselected" | "held" | "back-off" | "waiting", why: string): Verdict {
  return { action: "none", rest: kind, why };
}
