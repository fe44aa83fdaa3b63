import type { Intent } from "../model/intent.ts";
import type { Spec } from "../model/spec.ts";
import { getPath } from "../util/json-path.ts";

/** A person who names it wants it anew: a workspace that is kept for it on its engine goes too. Nothing else says so. */
export function startsOver(intent: Intent, spec: Spec | undefined): { readonly workspace?: "delete" } {
  const kept = spec !== undefined && getPath(spec.values, "workspace.provider") === "volume";
  return intent.mode === "recreate" && kept ? { workspace: "delete" } : {};
}
