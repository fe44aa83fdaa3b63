import type { ListedRun } from "../model/run.ts";
import type { RunIndex } from "../model/run-answers.ts";
import type { FleetState } from "../state/directory.ts";
import { Reading } from "./history.ts";
import { allIds } from "./latest-ids.ts";
import { writeIndex } from "./run-index.ts";

/** Manifests read at once. */
const BATCH = 64;

/** Makes the index anew from the manifests, which stay the truth; `progress` hears how many were read. */
export async function rebuildIndex(
  state: FleetState,
  now: number,
  progress: (read: number, total: number) => void,
): Promise<RunIndex> {
  // Oldest first, as the runs themselves would have come.
  const ids = (await allIds(state)).toReversed();
  const reading = new Reading(state, now);
  const found: ListedRun[] = [];
  for (let start = 0; start < ids.length; start += BATCH) {
    const batch = await Promise.all(ids.slice(start, start + BATCH).map(async (id) => reading.listed(id)));
    found.push(...batch.filter((each) => each !== undefined));
    progress(Math.min(ids.length, start + BATCH), ids.length);
  }
  await writeIndex(state, found);
  const running = found.filter(({ status }) => status === "running").length;
  return { indexed: found.length - running, running, ...reading.told };
}
