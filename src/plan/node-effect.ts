import type { GraphNode } from "../model/plan.ts";
import type { Json } from "../model/json.ts";
import { canonicalJson, sha256 } from "../util/canonical.ts";

/** All that a step does and when, as canonical JSON: whatever is not mere wording, which may tell of times and ages. */
export function effectOf(node: GraphNode): string {
  const { cause: _cause, ...effect } = node;
  if (effect.op !== "mark") return canonicalJson(effect);
  const { reason: _reason, ...mark } = effect;
  return canonicalJson(mark);
}

/** 32 hex digits that two steps share only when they do the same, for the same `basis`. */
export function keyOfEffect(node: GraphNode, ...basis: readonly (Json | undefined)[]): string {
  const told = basis.map((each) => each ?? null);
  const effect = effectOf({ ...node, idempotency_key: "" });
  return sha256(`${effect}\n${canonicalJson(told)}`).slice(0, 32);
}
