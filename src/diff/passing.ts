import type { RuntimeLabels } from "../model/labels.ts";
import type { RuleContext } from "./rules.ts";
import { gate } from "./disruption.ts";
import type { Situation } from "./situation.ts";
import type { Verdict } from "./verdict.ts";

/** A runtime of a passing role belongs to no declaration: it is removed once it has expired, or when all is. */
export function decidePassing(
  situation: Situation,
  { role, expires_at }: RuntimeLabels,
  context: RuleContext,
): Verdict {
  const { address, hold } = situation;
  if (!context.selected(address)) return rest("unselected", "not among the targets");
  if (hold !== undefined) return rest("held", `held: ${hold.reason}`);
  if (context.skip.has(address)) return rest("back-off", "waiting after a failure");
  const removal = { action: "remove", reasons: [], dormant: false, workspace: "delete" } as const;
  if (context.intent.mode === "destroy") {
    return { ...removal, why: "destroy was asked for", cause: "requested" };
  }
  if ((expires_at ?? Infinity) > context.now) return rest("waiting", `${role}, not expired yet`);
  return gate(situation, context, { ...removal, why: `${role}, expired`, cause: "expired" });
}

function rest(kind: "unselected" | "held" | "back-off" | "waiting", why: string): Verdict {
  return { action: "none", rest: kind, why };
}
