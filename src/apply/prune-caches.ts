/**
 * In: a config. Out: what each worker's cache was cut down to, where the config says so. It is asked for by name only: a
 * worker does not tell whose its cache is, so others may have to build anew what they had there.
 */
import { toError } from "../errors.ts";
import type { CacheBounds } from "../model/cache.ts";
import { engineFor, engineKey, enginesOf } from "../observe/engines.ts";
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
  dryRun: boolean,
): Promise<PrunedCache[]> {
  const found = enginesOf(config.fleet, []).map(async (ref): Promise<PrunedCache[]> => {
    const module = config.modules[ref.backend];
    const settings = config.fleet.agents.map((each) => each.settings);
    // All agents of an endpoint say the same of its cache: the config is invalid otherwise.
    const mine = settings.find((each) => {
      const place = engineFor(each);
      return place !== undefined && engineKey(place) === engineKey(ref);
    });
    const bounds = mine === undefined ? undefined : module?.cache?.(mine);
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
