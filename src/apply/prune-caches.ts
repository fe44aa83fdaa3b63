/**
 * In: a config, or a plan. Out: what each worker's cache was cut down to, where the one or the other says so. A worker does
 * not tell whose its cache is, so others may have to build anew what they had there.
 */
import { SandkeepError, toError } from "../errors.ts";
import type { CacheBounds, CacheChange } from "../model/cache.ts";
import { cacheCuts } from "../model/cache.ts";
import type { ApplyResult } from "../model/outcome.ts";
import type { Plan } from "../model/plan.ts";
import type { EngineRef } from "../observe/engines.ts";
import { engineKey, enginesOf } from "../observe/engines.ts";
import { cacheBoundsOf } from "../plan/caches.ts";
import { worstExitCode } from "../plan/exit-code.ts";
import type { Engine } from "../plan/engine.ts";
import { driverDeps } from "../plan/engine.ts";
import type { Survey } from "../plan/survey.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import type { Journal } from "../state/journal.ts";

export interface PrunedCache {
  readonly backend: string;
  readonly host: string;
  readonly bounds: CacheBounds;
  /** Why it could not be done. */
  readonly failure: Error | undefined;
}

/** As the config says today. */
export async function pruneCaches(
  engine: Engine,
  config: LoadedFleet,
  { dryRun = false }: { readonly dryRun?: boolean },
): Promise<PrunedCache[]> {
  const found = enginesOf(config.fleet, []).map(async (ref): Promise<PrunedCache[]> => {
    const bounds = cacheBoundsOf(config, ref);
    if (bounds === undefined) return [];
    const cut = (): Promise<void> => cutDown(engine, config.modules, ref, bounds);
    return [await told(ref, bounds, dryRun ? () => Promise.resolve() : cut)];
  });
  return (await Promise.all(found)).flat();
}

export interface CacheKeeping {
  readonly engine: Engine;
  readonly seen: Pick<Survey, "engines" | "modules">;
  readonly journal: Journal;
  readonly assertHeld: () => Promise<void>;
}

/** As the plan says and nothing else, each one changing call. */
export async function keepCaches(
  plan: Pick<Plan, "caches">,
  { engine, seen, journal, assertHeld }: CacheKeeping,
): Promise<PrunedCache[]> {
  const cuts = cacheCuts(plan).map(async (each) => {
    const key = engineKey(each);
    const bounds = boundsOf(each);
    const step = { node: `${key}:prune-cache`, op: "prune-cache", address: key };
    return await told(each, bounds, async () => {
      const ref = seen.engines.find((known) => known.declared && engineKey(known) === key);
      if (ref === undefined) throw goneSince(key);
      await assertHeld();
      await journal.intent(step);
      try {
        await cutDown(engine, seen.modules, ref, bounds);
        journal.result({ ...step, status: "done" });
      } catch (thrown) {
        journal.result({ ...step, status: "failed", error: toError(thrown).message });
        throw thrown;
      }
    });
  });
  return await Promise.all(cuts);
}

function boundsOf({ max_age_ms, max_bytes }: CacheChange): CacheBounds {
  return {
    ...(max_age_ms === null ? {} : { max_age: max_age_ms }),
    ...(max_bytes === null ? {} : { max_size: max_bytes }),
  };
}

function goneSince(key: string): SandkeepError {
  return new SandkeepError(`the config no longer names ${key}, whose cache was planned to be cut down`, {
    code: "CACHE_STALE",
    hint: "plan again",
    exitCode: 4,
  });
}

async function told(
  { backend, host }: Pick<EngineRef, "backend" | "host">,
  bounds: CacheBounds,
  cut: () => Promise<void>,
): Promise<PrunedCache> {
  try {
    await cut();
    return { backend, host, bounds, failure: undefined };
  } catch (thrown) {
    return { backend, host, bounds, failure: toError(thrown) };
  }
}

async function cutDown(
  engine: Engine,
  modules: LoadedFleet["modules"],
  ref: EngineRef,
  bounds: CacheBounds,
): Promise<void> {
  await using driver = await modules[ref.backend]?.open(ref.config, driverDeps(engine));
  await driver?.prune?.(bounds);
}

/** Of all that could not be cut down; 0 where there is none. */
export function cachesExitCode(caches: readonly PrunedCache[]): number {
  const failures = caches.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  return worstExitCode(failures.map((each) => (each instanceof SandkeepError ? each.exitCode : 1)));
}

/** What the apply has come to with them. */
export function withCaches(result: ApplyResult, caches: readonly PrunedCache[]): ApplyResult {
  if (caches.length === 0) return result;
  return {
    ...result,
    caches: caches.map(({ backend, host, failure }) => ({
      backend,
      host,
      status: failure === undefined ? "done" : "failed",
      error: failure?.message ?? null,
    })),
    calls: { ...result.calls, write: result.calls.write + caches.length },
    exit_code: worstExitCode([result.exit_code, cachesExitCode(caches)]),
  };
}
