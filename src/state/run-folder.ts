import { join } from "node:path";
import type { FleetState } from "./directory.ts";

export function runsFolder(state: FleetState): string {
  return join(state.dir, "runs");
}

export function runFolder(state: FleetState, runId: string): string {
  return join(runsFolder(state), runId);
}
