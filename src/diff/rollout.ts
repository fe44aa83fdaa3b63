import type { Modules } from "../desire/desire.ts";
import type { Capabilities } from "../model/capabilities.ts";
import type { Json } from "../model/json.ts";
import type { PausedRollout } from "../model/rollout.ts";
import { canonicalJson, sha256 } from "../util/canonical.ts";
import type { Decision } from "./diff.ts";
import type { Difference, Verdict } from "./verdict.ts";

type Change = Extract<Verdict, { action: "create" | "recreate" | "update" | "start" }>;

/**
 * What a change is made for: each field that the config or an image moves, with what it is to become, and the config
 * key that says so. Two changes that share one are one rollout. A repair of what was changed or fell ill behind our
 * back goes back to what was proved before: it has no cause here, and waits for nobody's success.
 */
export function rolloutCauses(verdict: Change): string[] {
  const causes = verdict.reasons
    .filter((each) => isMoved(each))
    .flatMap(({ path, after, key }) => [
      opaque(["value", path, after]),
      ...(key === null ? [] : [opaque(["key", key])]),
    ]);
  const requested = verdict.origin === null && verdict.reasons.every(({ path }) => path !== "age");
  return [...new Set(requested ? [...causes, opaque(["requested"])] : causes)];
}

/**
 * Whether what a process runs under becomes something else while it runs on. A folder takes what is changed with its next
 * command, and has nothing that could fail of it now.
 */
export function changesInPlace(
  { verdict }: Decision,
  lifecycle: Capabilities["lifecycle"] | undefined,
): boolean {
  return verdict.action === "update" && lifecycle === "process" && verdict.reasons.some(isMoved);
}

/**
 * What a rollout says the time of: after a replacement or a change in place something may no longer work that worked
 * before. Undefined for everything else, which is begun at once.
 */
export function rolledOut(decision: Decision, modules: Modules): Change | undefined {
  const { situation, verdict } = decision;
  if (verdict.action === "recreate") return verdict;
  const lifecycle = modules[situation.backend]?.capabilities.lifecycle;
  return verdict.action === "update" && changesInPlace(decision, lifecycle) ? verdict : undefined;
}

function isMoved({ origin, path }: Difference): boolean {
  return (origin === "config" || origin === "image") && path !== "age";
}

function opaque(cause: Json): string {
  return sha256(canonicalJson(cause)).slice(0, 16);
}

/**
 * Puts off what would be changed for a cause that has failed elsewhere. Only what runs is spared: for one that is down
 * anyway the change is a chance, and it can lose nothing by it.
 */
export function pauseRollouts(
  decisions: readonly Decision[],
  paused: readonly PausedRollout[],
  modules: Modules,
): readonly Decision[] {
  if (paused.length === 0) return decisions;
  const own = new Set(paused.map(({ address }) => address));
  return decisions.map((decision) => {
    const { situation } = decision;
    const verdict = rolledOut(decision, modules);
    if (verdict === undefined || own.has(situation.address)) return decision;
    if (situation.current?.state !== "running") return decision;
    const causes = new Set(rolloutCauses(verdict));
    const failed = paused.find((each) => each.causes.some((cause) => causes.has(cause)));
    if (failed === undefined) return decision;
    return { situation, verdict: pausedBy(failed.address, verdict) };
  });
}

function pausedBy(address: string, verdict: Change): Verdict {
  return {
    action: "blocked",
    rule: "rollout",
    why: `${verdict.why}, but the rollout is paused: ${address} failed`,
    fix: `mend what ${address} fails of; it goes on once that one succeeds`,
    until: null,
    deferred: true,
    reasons: verdict.reasons,
  };
}
