import { existsSync } from "node:fs";
import { join } from "node:path";
import type { RunDisruption } from "../model/run.ts";
import { runDisruptionSchema } from "../model/run.ts";
import type { FleetState } from "./directory.ts";
import { readJson, writeJson } from "./files.ts";
import { readOpenRuns } from "./open-runs.ts";
import { runFolder } from "./run-folder.ts";

function disruptionPath(folder: string): string {
  return join(folder, "disrupted.json");
}

/** Tells the runs that go on in an address that their runtime is about to be taken from them; answers their ids. */
export async function disruptRuns(
  state: FleetState,
  address: string,
  disruption: RunDisruption,
  now: number,
): Promise<readonly string[]> {
  const told: string[] = [];
  for (const run of await readOpenRuns(state, now)) {
    const folder = runFolder(state, run.run_id);
    // Without a folder it has not begun; making one here would take its place.
    if (run.address !== address || !existsSync(folder)) continue;
    await writeJson(disruptionPath(folder), disruption);
    told.push(run.run_id);
  }
  return told;
}

/** What was told to the run of this folder. */
export async function readDisruption(folder: string): Promise<RunDisruption | null> {
  return (await readJson(disruptionPath(folder), runDisruptionSchema, "report", undefined)) ?? null;
}
