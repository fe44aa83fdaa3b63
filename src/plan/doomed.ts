import type { Decision } from "../diff/diff.ts";
import type { WorkspaceFate } from "../drivers/driver.ts";
import type { ObservedRuntime, RuntimeChanges } from "../model/observed.ts";
import { slotOf } from "../model/names.ts";

/** A runtime that a change removes, and what its users may have left in it. */
export interface Doomed {
  readonly object: ObservedRuntime;
  readonly workspace: WorkspaceFate;
}

/**
 * Which runtimes a decision destroys when it is carried out. One that was only ever a candidate is not among them:
 * nobody can have worked in it.
 */
export function doomedBy({ situation, verdict }: Decision): Doomed[] {
  const found: Doomed[] = [];
  for (const repair of situation.repairs) {
    if (repair.kind === "remove" && !isCandidate(repair.object))
      found.push({ object: repair.object, workspace: "keep" });
  }
  const { current } = situation;
  if (current === undefined) return found;
  if (verdict.action === "recreate") found.push({ object: current, workspace: verdict.workspace ?? "keep" });
  if (verdict.action === "remove") found.push({ object: current, workspace: verdict.workspace });
  return found;
}

/** What could not be measured, and why. */
export interface Unmeasured {
  readonly unknown: string;
}

/** By object id: what its removal would destroy. What nobody asked for, or is gone, is absent. */
export type Losses = ReadonlyMap<string, RuntimeChanges | Unmeasured>;

/** A `.new` beside a `.old` is finished, not removed, so a removed one was never proved. */
export function isCandidate({ name, labels }: ObservedRuntime): boolean {
  return slotOf(name, labels.name) === "new";
}
