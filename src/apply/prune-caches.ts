/**
 * In: a config. Out: what each worker's cache was cut down to, where the config says so. A worker does not tell whose its
 * cache is, so others may have to build anew what they had there.
 */
import { toError } from "../errors.ts";
import type { CacheBounds } from "../model/cache.ts";
import type { Plan } from "../model/plan.ts";
import { engineKey, enginesOf } from "../observe/engines.ts";
import { cacheBoundsOf } from "../plan/caches.ts";
import type { Engine } from "../plan/survey.ts";
import { driverDeps } from "../plan/survey.ts";
import type { LoadedFleet } from "../policy/fleet.ts";

export interface PrunedCache {
  readonly engine: string;
  readonly bounds: CacheBounds;
  /** Why it could not be done. */
  readonly failure: string | undefined;
}

export async function pruneCaches(
  engine: Engine,
  config: LoadedFleet,
  { dryRun = false, only }: { readonly dryRun?: boolean; readonly only?: ReadonlySet<string> },
): Promise<PrunedCache[]> {
  const wanted = enginesOf(config.fleet, []).filter((ref) => only?.has(engineKey(ref)) ?? true);
  const found = wanted.map(async (ref): Promise<PrunedCache[]> => {
    const module = config.modules[ref.backend];
    const bounds = cacheBoundsOf(config, ref);
    if (module === undefined || bounds === undefined) return [];
    const told = { engine: engineKey(ref), bounds };
    if (dryRun) return [{ ...told, failure: undefined }];
    try {
      await using driver = await module.open(ref.config, driverDeps(engine));
      await driver.prune?.(bounds);
      return [{ ...told, failure: undefined }];
    } catch (thrown) {
      return [{ ...told, failure: toError(thrown).message }];
    }
  });
  return (await Promise.all(found)).flat();
}

/** As the plan says. What could not be cut down is told, and looked at again with the next plan. */
export async function keepCaches(
  engine: Engine,
  config: LoadedFleet | undefined,
  plan: Pick<Plan, "caches">,
): Promise<void> {
  const due = (plan.caches ?? []).filter((each) => each.action === "prune");
  if (config === undefined || due.length === 0) return;
  const only = new Set(due.map((each) => engineKey(each)));
  for (const { engine: where, failure } of await pruneCaches(engine, config, { only })) {
    const [level, message] =
      failure === undefined
        ? (["info", `${where}: its cache was cut down to its bounds`] as const)
        : (["warn", `${where}: its cache could not be cut down to its bounds: ${failure}`] as const);
    engine.sink.notify({ type: "note", level, code: "CACHE_PRUNED", message });
  }
}
