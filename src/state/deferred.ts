import { join } from "node:path";
import type { FleetState } from "./directory.ts";
import { readFirstSeen, recordFirstSeen } from "./first-seen.ts";

export function deferredFile(state: FleetState): string {
  return join(state.dir, "deferred.json");
}

/** The disruptions put off now, as `<address> <spec hash>`: new ones start their wait at `now`, others are forgotten. */
export async function recordDeferred(state: FleetState, keys: readonly string[], now: number): Promise<void> {
  await recordFirstSeen(deferredFile(state), keys, now, state.onProblem);
}

/** `<address> <spec hash>` → since when it is put off, milliseconds since the epoch. */
export async function readDeferred(state: FleetState): Promise<Record<string, number>> {
  return readFirstSeen(deferredFile(state), state.onProblem);
}
