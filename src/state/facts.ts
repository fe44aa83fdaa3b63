import type { Facts } from "../model/facts.ts";
import { readActivity } from "./activity.ts";
import { readDeferred } from "./deferred.ts";
import type { FleetState } from "./directory.ts";
import { readOwnerId } from "./directory.ts";
import { readHolds } from "./holds.ts";
import { isLeasedElsewhere } from "./lease.ts";
import { readHostStanding } from "./host-standing.ts";
import { readLeftAlone } from "./left-alone.ts";
import { readOpenRuns } from "./open-runs.ts";
import { readSightings } from "./sightings.ts";
import { readUpdates } from "./updates.ts";

/**
 * Everything a plan needs to know from the state directory at `now`. Reads only; a missing directory has no facts.
 * A plan for a later time counts the holds of that time, and takes today's runs to be still going on.
 */
export async function readFacts(state: FleetState, now: number, planned: number = now): Promise<Facts> {
  const [owner, changing, open_runs, holds, activity, sightings, updates, deferred, left_alone, hosts] =
    await Promise.all([
      readOwnerId(state.base),
      isLeasedElsewhere(state, now),
      readOpenRuns(state, now),
      readHolds(state, planned),
      readActivity(state),
      readSightings(state),
      readUpdates(state),
      readDeferred(state),
      readLeftAlone(state, now),
      readHostStanding(state),
    ]);
  return { owner, changing, open_runs, holds, activity, sightings, updates, deferred, left_alone, hosts };
}
