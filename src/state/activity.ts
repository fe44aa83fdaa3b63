import { join } from "node:path";
import * as z from "zod";
import { decodeFileName, encodeFileName } from "../util/file-name.ts";
import type { FleetState } from "./directory.ts";
import { listNames, readJson, removeFile, writeJson } from "./files.ts";

const SUFFIX = ".json";
export const activitySchema = z.object({ v: z.literal(1), at: z.number() });
/** Open files at once while reading; a fleet can have thousands. */
const BATCH = 64;

function directory(state: FleetState): string {
  return join(state.dir, "activity");
}

export function activityFile(state: FleetState, address: string): string {
  return join(directory(state), encodeFileName(address) + SUFFIX);
}

/** A `run` or `shell` used the address at `now`. One file each: they do not wait for one another. */
export async function recordActivity(state: FleetState, address: string, now: number): Promise<void> {
  await writeJson(activityFile(state, address), { v: 1, at: now });
}

/** Addresses that are no more, each with the last use that was read of it; one that was used since is kept. */
export async function forgetActivity(
  state: FleetState,
  gone: Readonly<Record<string, number>>,
): Promise<void> {
  for (const [address, at] of Object.entries(gone)) {
    const path = activityFile(state, address);
    const found = await readJson(path, activitySchema, "report", undefined);
    if (found?.at === at) await removeFile(path);
  }
}

/** Address → time of its last use, milliseconds since the epoch. */
export async function readActivity(state: FleetState): Promise<Record<string, number>> {
  const dir = directory(state);
  const names = (await listNames(dir)).filter((name) => name.endsWith(SUFFIX));
  const entries: [string, number][] = [];
  for (let start = 0; start < names.length; start += BATCH) {
    const batch = names.slice(start, start + BATCH).map(async (name) => {
      const address = decodeFileName(name.slice(0, -SUFFIX.length));
      const found = await readJson(join(dir, name), activitySchema, "report", state.onProblem);
      if (address !== undefined && found !== undefined) entries.push([address, found.at]);
    });
    await Promise.all(batch);
  }
  return Object.fromEntries(entries);
}
