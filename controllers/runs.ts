/**
 * Old runs go by themselves where the config has a `[runs.cleanup]`: the same cleanup that a person can ask for, after a
 * look at the whole fleet, and at most once an hour.
 */
import { toError } from "../src/errors.ts";
import type { Clock } from "../src/loop/clock.ts";
import type { ResolvedFleet } from "../src/model/settings.ts";
import type { Engine } from "../src/reconcile.ts";
import { cleanUpRuns } from "../src/runs/cleanup.ts";
import { fleetState } from "../src/state/directory.ts";

const EVERY_MS = 3_600_000;

export interface RunsCleaner {
  /** The fleet as a new config says. */
  adopt(fleet: Pick<ResolvedFleet, "fleet" | "runs">): void;
  /** To be called after each look at the whole fleet; resolves when what it began has ended. */
  looked(): Promise<void>;
}

export function runsCleaner(engine: Pick<Engine, "stateDir" | "sink" | "now">, clock: Clock): RunsCleaner {
  let fleet: Pick<ResolvedFleet, "fleet" | "runs"> | undefined;
  let last = -Infinity;
  return {
    adopt(next) {
      fleet = next;
    },
    async looked() {
      const now = clock.now();
      if (fleet === undefined || !fleet.runs.cleanup.automatic || now - last < EVERY_MS) return;
      last = now;
      const { older_than: olderThan, failed_only: failedOnly, source } = fleet.runs.cleanup;
      const wanted = {
        olderThan,
        failedOnly,
        source: source === "all" ? undefined : source,
        dryRun: false,
        // The loop's clock counts from any point; the age of a run is one of dates.
        now: engine.now(),
      };
      try {
        const { counts } = await cleanUpRuns(fleetState(engine.stateDir, fleet.fleet), wanted);
        tell("info", counts["removed"] ?? 0, "old runs were removed");
        tell("warn", counts["delete_failed"] ?? 0, "old runs could not be removed");
      } catch (thrown) {
        const message = `old runs could not be removed: ${toError(thrown).message}`;
        engine.sink.notify({ type: "note", level: "warn", code: "RUNS_CLEANUP", message });
      }
    },
  };

  function tell(level: "info" | "warn", amount: number, words: string): void {
    if (amount === 0) return;
    engine.sink.notify({ type: "note", level, code: "RUNS_CLEANUP", message: `${amount} ${words}` });
  }
}
