import { roughDuration } from "../util/duration.ts";
import type { RuleContext } from "./rules.ts";
import { busyWords } from "./usage.ts";
import type { Situation } from "./situation.ts";
import { startsOver } from "./starts-over.ts";
import type { Verdict } from "./verdict.ts";

const DEFAULT_MAX_WAIT_MS = 3_600_000;

/**
 * Whether a replacement or removal that nobody asked for by name may happen to a busy runtime now.
 * A person's `recreate` and `destroy` do not come through here.
 */
export function gate(s: Situation, c: RuleContext, verdict: Verdict): Verdict {
  const policy = s.desired?.settings.disruption ?? { when: "idle", max_wait: DEFAULT_MAX_WAIT_MS };
  const busy = s.usage?.busy ?? 0;
  if (policy.when === "now" || verdict.action === "none" || verdict.action === "blocked") return verdict;
  const { reasons } = verdict;
  if (policy.when === "never") {
    return {
      action: "blocked",
      rule: "disruption",
      why: `${verdict.why}, but disruption.when is never`,
      fix: `sandkeep recreate ${s.address}${price(s)}`,
      until: null,
      deferred: false,
      reasons,
    };
  }
  if (busy === 0) return verdict;
  const since = c.deferredSince(s) ?? c.now;
  const until = policy.max_wait === "off" ? null : since + policy.max_wait;
  if (until !== null && c.now >= until) {
    return {
      ...verdict,
      why: `${verdict.why}; it is busy, and has been waited for as long as max_wait says`,
    };
  }
  const wait = until === null ? "until it is idle" : `at most ${roughDuration(until - c.now)} more`;
  return {
    action: "blocked",
    rule: "busy",
    why: `${verdict.why}, but it is busy (${busyWords(s.usage ?? { busy }, c.now)}); waits ${wait}`,
    fix: `sandkeep recreate ${s.address} does it now${price(s)}`,
    until,
    deferred: true,
    reasons,
  };
}

/** What a replacement by name costs and one that waits does not. */
function price(s: Situation): string {
  const { workspace } = startsOver({ mode: "recreate" }, s);
  return workspace === "delete" ? " (and seeds its workspace again: what is there is lost)" : "";
}
