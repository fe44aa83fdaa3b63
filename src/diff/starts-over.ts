import type { Intent } from "../model/intent.ts";
import { getPath } from "../util/json-path.ts";
import type { Situation } from "./situation.ts";

/** A person who names it wants it anew: a workspace that is kept for it on its engine goes too. Nothing else says so. */
export function startsOver(
  { mode }: Pick<Intent, "mode">,
  { current, mark, desired }: Pick<Situation, "current" | "mark" | "desired">,
): { readonly workspace?: "delete" } {
  const spec = current?.labels.spec ?? (mark && desired?.spec);
  const kept = spec !== undefined && getPath(spec.values, "workspace.provider") === "volume";
  return mode === "recreate" && kept ? { workspace: "delete" } : {};
}
