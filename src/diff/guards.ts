import type { Decision, DiffInput } from "./diff.ts";

/**
 * Limits on what a config change may take away at once. They count orphans only: what a person destroys by name,
 * what is idle, and what is replaced are other decisions with protections of their own.
 */
export function guard(decisions: readonly Decision[], input: DiffInput): Decision[] {
  if (input.intent.mode !== "apply" && input.intent.mode !== "prune") return [...decisions];
  const orphans = decisions.filter((each) => isOrphanRemoval(each)).length;
  const refusal = refuse(orphans, input);
  if (refusal === undefined) return [...decisions];
  return decisions.map((each) =>
    isOrphanRemoval(each)
      ? {
          situation: each.situation,
          verdict: {
            action: "blocked",
            rule: "guard",
            ...refusal,
            until: null,
            deferred: false,
            reasons: [],
          },
        }
      : each,
  );
}

function isOrphanRemoval({ verdict }: Decision): boolean {
  return verdict.action === "remove" && verdict.cause === "orphan";
}

function refuse(orphans: number, input: DiffInput): { why: string; fix: string } | undefined {
  const { max_destroy, allow_empty } = input.guards;
  if (orphans === 0) return undefined;
  if (input.desired.length === 0 && !allow_empty) {
    return {
      why: `no longer declared, but the config wants no sandbox at all (no agent is declared, or every mode is off) and ${orphans} would be removed`,
      fix: "set guards.allow_empty = true, or use sandkeep destroy",
    };
  }
  if (max_destroy === "off" || orphans <= max_destroy) return undefined;
  return {
    why: `no longer declared, but ${orphans} would go, more than guards.max_destroy = ${max_destroy}`,
    fix: `check the plan, then apply with --max-destroy ${orphans}`,
  };
}
