import type { Decision } from "../diff/diff.ts";
import type { PlanRequest } from "../model/intent.ts";
import type { SalvageSettings } from "../model/salvage.ts";
import { getPath } from "../util/json-path.ts";
import { doomedBy } from "./doomed.ts";

/**
 * How what a decision destroys is kept, or undefined where it is not. A declared runtime goes by its settings; one that
 * nobody declares any more by what it was made with, else by what the config says for all.
 */
export function salvageOf(
  decision: Decision,
  input: { readonly request: PlanRequest; readonly salvage: SalvageSettings | undefined },
): SalvageSettings | undefined {
  const [first] = doomedBy(decision);
  if (first === undefined) return undefined;
  // What is to be kept of a run of its own is said with that run.
  if (first.object.labels.role === "ephemeral" || first.object.labels.role === "canary") return undefined;
  const { desired } = decision.situation;
  const made = first.object.labels.salvage;
  return asked(desired?.settings.salvage ?? (made === undefined ? input.salvage : made), input.request);
}

function asked(settings: SalvageSettings | undefined, request: PlanRequest): SalvageSettings | undefined {
  const { mode } = request.intent;
  const attended = mode === "recreate" || mode === "destroy";
  if (settings === undefined || settings.when === "off" || request.no_salvage === true) return undefined;
  return settings.when === "unattended" && attended ? undefined : settings;
}

/**
 * A workspace that waits on its engine for a runtime which is asleep can be handed out through that runtime alone: where
 * it is to be kept, it is not deleted before.
 */
export function blockOnSalvage(
  decisions: readonly Decision[],
  request: PlanRequest,
  salvage: SalvageSettings | undefined,
): Decision[] {
  return decisions.map((decision) => {
    const { situation, verdict } = decision;
    const { desired, address } = situation;
    const staged = desired?.settings.writes === "staged" && request.no_salvage !== true;
    const keeps = staged || asked(desired?.settings.salvage ?? salvage, request) !== undefined;
    if (!deletesAsleep(decision) || !keeps) return decision;
    const why = `${verdict.why}, but what is in its workspace is to be kept, and it is asleep`;
    const fix = `wake ${address} first (sandkeep run), or give --no-salvage`;
    const told = { why, fix, until: null, deferred: false, reasons: [] };
    return { situation, verdict: { action: "blocked", rule: "salvage", ...told } };
  });
}

/** Whether the canonical workspace of an address goes without a runtime that could hand it out. */
export function deletesAsleep({ situation, verdict }: Decision): boolean {
  const { desired, current } = situation;
  const goes = verdict.action === "remove" || verdict.action === "create";
  const deletes = goes && verdict.workspace === "delete";
  // One that nobody declares is not known to have none: what is kept for its address is deleted all the same.
  const provider = desired === undefined ? "volume" : getPath(desired.spec.values, "workspace.provider");
  return current === undefined && deletes && provider === "volume";
}
