/**
 * In: decisions. Out: what the runtimes that they destroy hold, measured on their engines. Read-only by type, and without a
 * single call where nothing is destroyed.
 */
import type { Decision } from "../diff/diff.ts";
import { SandkeepError } from "../errors.ts";
import type { RuntimeChanges } from "../model/observed.ts";
import { closeEngines, engineKey, openReaders } from "../observe/engines.ts";
import { actionsOf } from "./change.ts";
import type { Doomed } from "./doomed.ts";
import { doomedBy } from "./doomed.ts";
import type { Engine, Survey } from "./survey.ts";
import { driverDeps } from "./survey.ts";

/** The same survey, with what the decisions made from it would destroy. */
export async function withLosses(
  engine: Engine,
  seen: Survey,
  decisions: readonly Decision[],
): Promise<Survey> {
  const doomed = new Map<string, Doomed[]>();
  for (const decision of decisions) {
    const { situation } = decision;
    if (seen.modules[situation.backend]?.capabilities.changes !== true) continue;
    if (actionsOf(decision)[0] === "no-op") continue;
    const key = engineKey(situation);
    doomed.set(key, [...(doomed.get(key) ?? []), ...doomedBy(decision)]);
  }
  const refs = seen.engines.filter((ref) => (doomed.get(engineKey(ref)) ?? []).length > 0);
  if (refs.length === 0) return seen;
  const open = await openReaders(refs, seen.modules, driverDeps(engine));
  try {
    const losses = new Map<string, RuntimeChanges>();
    let { reads } = seen;
    for (const each of open) {
      if (!("reader" in each)) continue;
      const { ref, reader } = each;
      await Promise.all(
        (doomed.get(engineKey(ref)) ?? []).map(async ({ object, workspace }) => {
          reads += 1;
          const changes = await reader.changes?.(object.object_id, workspace).catch(unmeasured);
          if (changes !== undefined) losses.set(object.object_id, changes);
        }),
      );
    }
    return { ...seen, losses, reads };
  } finally {
    await closeEngines(open);
  }
}

/** A plan is not worth less because a size is not known. */
function unmeasured(thrown: unknown): undefined {
  if (thrown instanceof SandkeepError) return undefined;
  throw thrown;
}
