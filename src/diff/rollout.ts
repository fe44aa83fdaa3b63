import type { Json } from "../model/json.ts";
import type { PausedRollout } from "../model/rollout.ts";
import { canonicalJson, sha256 } from "../util/canonical.ts";
import type { Decision } from "./diff.ts";
import type { Difference, Verdict } from "./verdict.ts";

type Replacement = Extract<Verdict, { action: "create" | "recreate" | "update" | "start" }>;

/**
 * What a replacement is made for: each field that the config or an image moves, with what it is to become, and the
 * config key that says so. Two replacements that share one are one rollout. A repair of what was changed or fell ill
 * behind our back goes back to what was proved before: it has no cause here, and waits for nobody's success.
 */
export function rolloutCauses(verdict: Replacement): string[] {
  const moved = verdict.reasons.filter((each) => each.class === "recreate" && isMoved(each));
  const causes = moved.flatMap(({ path, after, key }) => [
    opaque(["value", path, after]),
    ...(key === null ? [] : [opaque(["key", key])]),
  ]);
  const requested = verdict.origin === null && verdict.reasons.every(({ path }) => path !== "age");
  return [...new Set(requested ? [...causes, opaque(["requested"])] : causes)];
}

function isMoved({ origin, path }: Difference): boolean {
  return (origin === "config" || origin === "image") && path !== "age";
}

function opaque(cause: Json): string {
  return sha256(canonicalJson(cause)).slice(0, 16);
}

/**
 * Puts off what would be replaced for a cause that has failed elsewhere. Only what runs is spared: for one that is
 * down anyway a replacement is a chance, since its failure brings the old one back.
 */
export function pauseRollouts(
  decisions: readonly Decision[],
  paused: readonly PausedRollout[],
): readonly Decision[] {
  if (paused.length === 0) return decisions;
  const own = new Set(paused.map(({ address }) => address));
  return decisions.map((decision) => {
    const { situation, verdict } = decision;
    if (verdict.action !== "recreate" || own.has(situation.address)) return decision;
    if (situation.current?.state !== "running") return decision;
    const causes = new Set(rolloutCauses(verdict));
    const failed = paused.find((each) => each.causes.some((cause) => causes.has(cause)));
    if (failed === undefined) return decision;
    return { situation, verdict: pausedBy(failed.address, verdict) };
  });
}

function pausedBy(address: string, verdict: Replacement): Verdict {
  return {
    action: "blocked",
    rule: "rollout",
    why: `${verdict.why}, but the rollout is paused: ${address} failed`,
    fix: `mend what ${address} fails of; it goes on once that one is replaced`,
    until: null,
    deferred: true,
    reasons: verdict.reasons,
  };
}
