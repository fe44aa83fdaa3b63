import type { RunLedgerStatus } from "../model/run-answers.ts";
import type { FleetState } from "../state/directory.ts";
import { findRuns } from "./history.ts";

/** How the ledger stands: how many runs of each kind, what goes on, and what failed last. */
export async function ledgerStatus(state: FleetState, now: number): Promise<RunLedgerStatus> {
  const { runs, reconcile } = await findRuns(state, { now });
  const counts = { running: 0, ok: 0, failed: 0, interrupted: 0 };
  for (const run of runs) counts[run.status] += 1;
  return {
    fleet: state.fleet,
    total: runs.length,
    counts,
    running: runs.filter(({ status }) => status === "running"),
    latest: runs[0] ?? null,
    latest_failed: runs.find(({ status }) => status === "failed") ?? null,
    reconcile,
  };
}
