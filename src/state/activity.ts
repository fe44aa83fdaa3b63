import { join } from "node:path";
import * as z from "zod";
import type { FleetState } from "./directory.ts";
import { decodeName, encodeName, listNames, readJson, writeJson } from "./files.ts";

const SUFFIX = ".json";
const activitySchema = z.object({ v: z.literal(1), at: z.number() });
/** Open files at once while reading; a fleet can have thousands. */
const BATCH = 64;

function directory(state: FleetState): string {
  return join(state.dir, "activity");
}

/** A `run` or `shell` used the address at `now`. One file each: they do not wait for one another. */
export async function recordActivity(state: FleetState, address: string, now: number): Promise<void> {
  await writeJson(join(directory(state), encodeName(address) + SUFFIX), { v: 1, at: now });
}

/** Address → time of its last use, milliseconds since the epoch. */
export async function readActivity(state: FleetState): Promise<Record<string, number>> {
  const dir = directory(state);
  const names = (await listNames(dir)).filter((name) => name.endsWith(SUFFIX));
  const entries: [string, number][] = [];
  for (let start = 0; start < names.length; start += BATCH) {
    const batch = names.slice(start, start + BATCH).map(async (name) => {
      const address = decodeName(name.slice(0, -SUFFIX.length));
      const found = await readJson(join(dir, name), activitySchema, "report", state.onProblem);
      if (address !== undefined && found !== undefined) entries.push([address, found.at]);
    });
    await Promise.all(batch);
  }
  return Object.fromEntries(entries);
}
