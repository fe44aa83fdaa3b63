import type { Decision } from "../diff/diff.ts";
import type { PlanRequest } from "../model/intent.ts";
import type { SalvageSettings } from "../model/salvage.ts";
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
  if (first === undefined || input.request.no_salvage === true) return undefined;
  // What is to be kept of a run of its own is said with that run.
  if (first.object.labels.role === "ephemeral") return undefined;
  const { desired } = decision.situation;
  const made = first.object.labels.salvage;
  const settings = desired?.settings.salvage ?? (made === undefined ? input.salvage : made);
  const { mode } = input.request.intent;
  const attended = mode === "recreate" || mode === "destroy";
  if (settings === undefined || settings.when === "off") return undefined;
  return settings.when === "unattended" && attended ? undefined : settings;
}
