import { join } from "node:path";
import type { FleetState } from "../state/directory.ts";
import { runFolder, runsFolder } from "../state/run-folder.ts";
import type { StreamName } from "./time-index.ts";

// Where the ledger's files are: one folder a run, and one index that can always be made again.

export { runFolder, runsFolder };

export function manifestPath(folder: string): string {
  return join(folder, "manifest.json");
}

export function logPath(folder: string, stream: StreamName): string {
  return join(folder, `${stream}.log`);
}

export function timesPath(folder: string): string {
  return join(folder, "times.idx");
}

/** What the command left, as it was collected. */
export function artifactsFolder(folder: string): string {
  return join(folder, "artifacts");
}

/** Asks the process that records the run to end its command. */
export function cancelPath(folder: string): string {
  return join(folder, "cancel.json");
}

export function indexPath(state: FleetState): string {
  return join(state.dir, "index.jsonl");
}
