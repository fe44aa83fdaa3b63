/**
 * In: decisions. Out: what the runtimes that they destroy hold, measured on their engines, or why that is not known.
 * Read-only by type, and without a single call where nothing is destroyed.
 */
import type { Decision } from "../diff/diff.ts";
import { SandkeepError } from "../errors.ts";
import type { PlanRequest } from "../model/intent.ts";
import type { RuntimeChanges } from "../model/observed.ts";
import type { OpenEngine } from "../observe/engines.ts";
import { engineKey } from "../observe/engines.ts";
import { formatDuration } from "../util/duration.ts";
import { actionsOf } from "./change.ts";
import type { Doomed, Unmeasured } from "./doomed.ts";
import { doomedBy } from "./doomed.ts";
import { salvageOf } from "./salvage.ts";
import { keptStages } from "./stage-kept.ts";
import type { Engine } from "./engine.ts";
import type { Survey } from "./survey.ts";

/** Nobody waits longer than this for sizes, however much there is to walk through. */
const MEASURE_MS = 10_000;
const LATE: Unmeasured = { unknown: `it was not measured within ${formatDuration(MEASURE_MS)}` };

export interface Measuring {
  /** Given where nobody reads the plan of this request: then only what is kept before it goes is measured. */
  readonly unattended?: PlanRequest | undefined;
  /** Gives up what is not measured by then. */
  readonly signal?: AbortSignal;
}

/** The same survey, with what the decisions made from it would destroy, as far as that is known in time, or why not. */
export async function withLosses(
  engine: Engine,
  open: readonly OpenEngine[],
  surveyed: Survey,
  decisions: readonly Decision[],
  { unattended, signal = AbortSignal.timeout(MEASURE_MS) }: Measuring = {},
): Promise<Survey> {
  const doomed = new Map<string, Doomed[]>();
  const losses = new Map<string, RuntimeChanges | Unmeasured>();
  const kept = unattended === undefined ? await keptStages(engine, surveyed, decisions) : [];
  const seen: Survey = { ...surveyed, diagnostics: [...surveyed.diagnostics, ...kept] };
  const salvage = seen.config?.fleet.salvage;
  for (const decision of decisions) {
    const { situation } = decision;
    if (actionsOf(decision)[0] === "no-op") continue;
    if (seen.modules[situation.backend]?.capabilities.changes !== true) {
      const unknown = `${situation.backend} does not tell`;
      for (const { object } of doomedBy(decision)) losses.set(object.object_id, { unknown });
      continue;
    }
    if (unattended !== undefined && salvageOf(decision, { request: unattended, salvage }) === undefined)
      continue;
    const key = engineKey(situation);
    doomed.set(key, [...(doomed.get(key) ?? []), ...doomedBy(decision)]);
  }
  const all = open.flatMap((each) =>
    "reader" in each
      ? (doomed.get(engineKey(each.ref)) ?? []).map((one) => ({ ...one, reader: each.reader }))
      : [],
  );
  if (all.length === 0) return { ...seen, losses };
  let { reads } = seen;
  const late = over(signal);
  await Promise.all(
    all.map(async ({ object, workspace, reader }) => {
      reads += 1;
      const asked = reader.changes?.(object.object_id, workspace, signal);
      const told = asked?.catch((thrown: unknown) => unmeasured(thrown, signal));
      const changes = await Promise.race([late, told]);
      if (changes !== undefined) losses.set(object.object_id, changes);
    }),
  );
  return { ...seen, losses, reads };
}

/** Settles once the time is over. */
async function over(signal: AbortSignal): Promise<Unmeasured> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return LATE;
}

/** A plan is not worth less because a size is not known, but it says so: nothing told would look like nothing lost. */
function unmeasured(thrown: unknown, signal: AbortSignal): Unmeasured {
  if (signal.aborted) return LATE;
  if (thrown instanceof SandkeepError) return { unknown: thrown.message };
  throw thrown;
}
