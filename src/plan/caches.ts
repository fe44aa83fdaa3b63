/**
 * In: what workers' caches hold and what the config leaves of them. Out: which of them are cut down, and why. Pure. A worker
 * does not tell whose its cache is: the bounds are the endpoint's, and all its agents say the same of it.
 */
import type { PlanRequest } from "../model/intent.ts";
import type { CacheBounds, CacheChange, CacheUse } from "../model/cache.ts";
import { engineFor, engineKey } from "../observe/engines.ts";
import type { EngineRef } from "../observe/engines.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import { formatBytes } from "../util/bytes.ts";
import { formatDuration } from "../util/duration.ts";
import type { Survey } from "./survey.ts";

/** What the config leaves of an engine's cache; undefined where it says nothing of it. */
export function cacheBoundsOf(
  { fleet, modules }: LoadedFleet,
  ref: Pick<EngineRef, "backend" | "host">,
): CacheBounds | undefined {
  const mine = fleet.agents.find(({ settings }) => {
    const place = engineFor(settings);
    return place !== undefined && engineKey(place) === engineKey(ref);
  });
  return mine === undefined ? undefined : modules[ref.backend]?.cache?.(mine.settings);
}

export function decideCaches(
  { config, observations, now }: Pick<Survey, "config" | "observations" | "now">,
  { intent }: Pick<PlanRequest, "intent">,
): CacheChange[] {
  if (config === undefined || intent.mode !== "apply" || intent.targets !== undefined) return [];
  return observations.flatMap((each) => {
    const bounds = cacheBoundsOf(config, each);
    if (each.status !== "complete" || each.cache === undefined || bounds === undefined) return [];
    const { backend, host } = each;
    const beyond = beyondBounds(each.cache, bounds, now);
    return [
      {
        backend,
        host,
        action: beyond === undefined ? ("no-op" as const) : ("prune" as const),
        why: beyond ?? "its cache is within its bounds",
        max_age_ms: bounds.max_age ?? null,
        max_bytes: bounds.max_size ?? null,
      },
    ];
  });
}

function beyondBounds(
  { bytes, oldest_use }: CacheUse,
  { max_age, max_size }: CacheBounds,
  now: number,
): string | undefined {
  const old = max_age !== undefined && oldest_use !== null && now - oldest_use > max_age;
  const large = max_size !== undefined && bytes > max_size;
  const words = [
    ...(old ? [`some of its cache was not used for ${formatDuration(max_age)}`] : []),
    // A size differs at every look; that it is passed is the decision.
    ...(large ? [`its cache is larger than ${formatBytes(max_size)}`] : []),
  ];
  return words.length === 0 ? undefined : words.join(", and ");
}
