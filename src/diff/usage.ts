import type { Facts, OpenRun } from "../model/facts.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import { roughDuration } from "../util/duration.ts";

export interface Usage {
  /** Open runs of ours and execs that the engine reports. */
  readonly busy: number;
  readonly busy_since?: number;
  /** Who of us keeps it busy, oldest first; what only the engine reports has no name. */
  readonly runs?: readonly OpenRun[];
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
  const runs = new Map<string, OpenRun[]>();
  for (const run of facts.open_runs) {
    const known = runs.get(run.address);
    if (known === undefined) runs.set(run.address, [run]);
    else known.push(run);
  }
  return {
    usage(address, runtime) {
      const open = runs.get(address)?.toSorted((a, b) => a.started_at - b.started_at);
      const [oldest] = open ?? [];
      const busy = busyCount(open ?? [], runtime);
      const age_ms = Math.max(0, now - runtime.created_at);
      const used = facts.activity[address];
      const sighted = facts.sightings[runtime.object_id];
      const since =
        open === undefined || oldest === undefined ? {} : { busy_since: oldest.started_at, runs: open };
      if (busy > 0) return { busy, ...since, idle_ms: 0, last_used: now, age_ms };
      if (used === undefined && sighted === undefined) return { busy, age_ms };
      const last = Math.max(runtime.started_at ?? runtime.created_at, used ?? 0, sighted ?? 0);
      return { busy, idle_ms: Math.max(0, now - last), last_used: last, age_ms };
    },
  };
}

/** The engine's execs include the runs of ours that it knows. */
export function busyCount(open: readonly unknown[], { execs }: Pick<ObservedRuntime, "execs">): number {
  return Math.max(open.length, execs);
}

/** So many are named. */
const NAMED = 3;

/** `2 runs: 20261121-… of work:main for 5m, one that the engine reports`: who keeps a runtime busy, and how long already. */
export function busyWords({ busy, runs = [] }: Pick<Usage, "busy" | "runs">, now: number): string {
  const named = runs
    .slice(0, NAMED)
    .map(
      (run) =>
        `${run.run_id} of ${run.agent}:${run.session} for ${roughDuration(Math.max(0, now - run.started_at))}`,
    );
  const others = runs.length - named.length;
  const engine = busy - runs.length;
  const more = [
    ...(others > 0 ? [`${others} more of ours`] : []),
    ...(engine > 0 ? [`${engine === 1 ? "one" : engine} that the engine reports`] : []),
  ];
  const amount = `${busy} ${busy === 1 ? "run" : "runs"}`;
  if (runs.length === 0) return `${amount} that the engine reports`;
  return `${amount}: ${[...named, ...more].join(", ")}`;
}
