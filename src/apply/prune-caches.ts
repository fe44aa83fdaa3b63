/**
 * In: a config. Out: what each worker's cache was cut down to, where the config says so. A worker does not tell whose its
 * cache is, so others may have to build anew what they had there.
 */
import { toError } from "../errors.ts";
import type { CacheBounds, CacheOutcome } from "../model/cache.ts";
import { cacheCuts } from "../model/cache.ts";
import type { ApplyResult } from "../model/outcome.ts";
import type { Plan } from "../model/plan.ts";
import { engineKey, enginesOf } from "../observe/engines.ts";
import { cacheBoundsOf } from "../plan/caches.ts";
import { worstExitCode } from "../plan/exit-code.ts";
import type { Engine } from "../plan/survey.ts";
import { driverDeps } from "../plan/survey.ts";
import type { LoadedFleet } from "../policy/fleet.ts";

export interface PrunedCache {
  readonly backend: string;
  readonly host: string;
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
    const told = { backend: ref.backend, host: ref.host, bounds };
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

/** As the plan says, each one changing call; with what became of them. */
export async function keepCaches(
  engine: Engine,
  config: LoadedFleet | undefined,
  plan: Pick<Plan, "caches">,
): Promise<CacheOutcome[]> {
  const due = cacheCuts(plan);
  if (config === undefined || due.length === 0) return [];
  const only = new Set(due.map((each) => engineKey(each)));
  const pruned = await pruneCaches(engine, config, { only });
  return pruned.map(({ backend, host, failure: error = null }) => ({
    backend,
    host,
    status: error === null ? "done" : "failed",
    error,
  }));
}

/** What the apply has come to with them. */
export function withCaches(result: ApplyResult, caches: readonly CacheOutcome[]): ApplyResult {
  if (caches.length === 0) return result;
  const failed = caches.some((each) => each.status === "failed");
  return {
    ...result,
    caches: [...caches],
    calls: { ...result.calls, write: result.calls.write + caches.length },
    exit_code: worstExitCode([result.exit_code, failed ? 1 : 0]),
  };
}
