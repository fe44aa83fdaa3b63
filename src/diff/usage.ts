import type { Facts } from "../model/facts.ts";
import type { ObservedRuntime } from "../model/observed.ts";

export interface Usage {
  /** Open runs of ours and execs that the engine reports. */
  readonly busy: number;
  readonly busy_since?: number;
  /** Milliseconds; absent when nothing tells it, and then it causes nothing. */
  readonly idle_ms?: number;
  readonly last_used?: number;
  readonly age_ms: number;
}

/** Facts about use, looked up many times: built once for a whole diff. */
export interface UsageIndex {
  usage(address: string, runtime: ObservedRuntime): Usage;
}

/**
 * Idle counts from the latest of: the engine's start of the runtime, recorded activity, an exec the engine reports,
 * and this state directory's first sighting. A machine that never saw the runtime before knows nothing of its use,
 * so a fresh CI machine prunes nothing that others use.
 */
export function usageIndex(facts: Facts, now: number): UsageIndex {
  const runs = new Map<string, { count: number; since: number }>();
  for (const run of facts.open_runs) {
    const known = runs.get(run.address);
    runs.set(run.address, {
      count: (known?.count ?? 0) + 1,
      since: Math.min(known?.since ?? run.started_at, run.started_at),
    });
  }
  return {
    usage(address, runtime) {
      const open = runs.get(address);
      // The engine's execs include the runs of ours that it knows.
      const busy = Math.max(open?.count ?? 0, runtime.execs);
      const age_ms = Math.max(0, now - runtime.created_at);
      const used = facts.activity[address];
      const sighted = facts.sightings[runtime.object_id];
      const since = open === undefined ? {} : { busy_since: open.since };
      if (busy > 0) return { busy, ...since, idle_ms: 0, last_used: now, age_ms };
      if (used === undefined && sighted === undefined) return { busy, age_ms };
      const last = Math.max(runtime.started_at ?? runtime.created_at, used ?? 0, sighted ?? 0);
      return { busy, idle_ms: Math.max(0, now - last), last_used: last, age_ms };
    },
  };
}
