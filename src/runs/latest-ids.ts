/**
 * In: a ledger of any size. Out: the ids of its newest runs, without listing all of it where it is as it was at the last
 * look. The folder's own time of change decides: nothing comes into it or goes out without moving that.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { FleetState } from "../state/directory.ts";
import { listNames, readJson, writeJson } from "../state/files.ts";
import { unlessMissing } from "../util/errno.ts";
import { runsFolder } from "./layout.ts";
import { isRunId } from "./run-id.ts";

/** So many are remembered; smaller ledgers are listed as fast as that is read. */
const REMEMBERED = 500;
/** A file system tells times in steps: what changed so lately may change again without showing it. */
const SETTLED_MS = 2_000;

const latestSchema = z.object({ v: z.literal(1), changed: z.string(), ids: z.array(z.string()) });

/** Newest first. */
export interface LatestIds {
  readonly ids: readonly string[];
  /** False where there are older ones, too. */
  readonly all: boolean;
}

export async function latestIds(state: FleetState): Promise<LatestIds> {
  const changed = await changeOf(state);
  const path = join(state.dir, "latest.json");
  const known = await readJson(path, latestSchema, "report", undefined);
  if (known !== undefined && known.changed === changed?.mark) return { ids: known.ids, all: false };
  const ids = await allIds(state);
  if (ids.length <= REMEMBERED) return { ids, all: true };
  const again = await changeOf(state);
  if (changed !== undefined && again?.mark === changed.mark && Date.now() - changed.ms > SETTLED_MS) {
    const latest = { v: 1, changed: changed.mark, ids: ids.slice(0, REMEMBERED) };
    // A cache that cannot be written is no reason not to answer.
    await writeJson(path, latest).catch(() => undefined);
  }
  return { ids, all: true };
}

/** Ids of every run, newest first. */
export async function allIds(state: FleetState): Promise<readonly string[]> {
  const names = await listNames(runsFolder(state));
  return names.filter(isRunId).toReversed();
}

async function changeOf(
  state: FleetState,
): Promise<{ readonly mark: string; readonly ms: number } | undefined> {
  const found = await unlessMissing(stat(runsFolder(state), { bigint: true }));
  return found && { mark: `${found.dev} ${found.ino} ${found.mtimeNs}`, ms: Number(found.mtimeMs) };
}
