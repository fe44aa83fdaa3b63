import { join } from "node:path";
import type { FleetState } from "./directory.ts";
import { readFirstSeen, recordFirstSeen } from "./first-seen.ts";

export function sightingsFile(state: FleetState): string {
  return join(state.dir, "sightings.json");
}

/** The runtimes that exist now: new ids get `now` as their first sighting, ids not given are forgotten. */
export async function recordSightings(
  state: FleetState,
  objectIds: readonly string[],
  now: number,
): Promise<void> {
  await recordFirstSeen(sightingsFile(state), objectIds, now, state.onProblem);
}

/** Object id → when this state directory first saw it, milliseconds since the epoch. */
export async function readSightings(state: FleetState): Promise<Record<string, number>> {
  return readFirstSeen(sightingsFile(state), state.onProblem);
}
