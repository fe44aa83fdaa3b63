/**
 * In: which runs are old enough. Out: what became of each, with its reason; with `dryRun` what would. It removes nothing
 * that goes on, is held, or cannot be read, and nothing outside the ledger.
 */
import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { toError } from "../errors.ts";
import type { Hold } from "../model/facts.ts";
import type { ListedRun } from "../model/run.ts";
import type { CleanupEntry, CleanupReason, RunCleanup } from "../model/run-answers.ts";
import { CLEANUP_REASONS } from "../model/run-answers.ts";
import type { EventFacts } from "../model/recorded-event.ts";
import type { FleetState } from "../state/directory.ts";
import { recordEvents } from "../state/events.ts";
import { readHolds, WHOLE_FLEET } from "../state/holds.ts";
import { isMissing, unlessMissing } from "../util/errno.ts";
import { Reading } from "./history.ts";
import { allIds } from "./latest-ids.ts";
import { runFolder, runsFolder } from "./layout.ts";
import { readIndex, writeIndex } from "./run-index.ts";

export interface CleanupRequest {
  /** Milliseconds since the end of the run. */
  readonly olderThan: number;
  /** Keeps what succeeded. */
  readonly failedOnly: boolean;
  /** Only runs that this one asked for. */
  readonly source: string | undefined;
  readonly dryRun: boolean;
  readonly now: number;
}

/** What is being removed has this name meanwhile, which no run has. */
export const LEAVING = ".leaving-";

type Candidate = { readonly id: string; readonly run: ListedRun | undefined };

/** The first that applies keeps a run; what none keeps goes. */
const KEEPS: readonly (readonly [
  CleanupReason,
  (candidate: Candidate, request: CleanupRequest, holds: readonly Hold[]) => boolean,
])[] = [
  // Of what cannot be read nobody knows whether it may go; `doctor` looks at it.
  ["missing_manifest", ({ run }) => run === undefined],
  ["running", ({ run }) => run?.status === "running"],
  ["source_mismatch", ({ run }, { source }) => source !== undefined && run?.source !== source],
  ["not_failed", ({ run }, { failedOnly }) => failedOnly && run?.status === "ok"],
  // Of an end that is no date nobody knows how long ago it was.
  ["recent", ({ run }, { olderThan, now }) => !(now - endOf(run) >= olderThan)],
  [
    "held",
    ({ run }, _request, holds) =>
      holds.some((each) => each.address === run?.address || each.address === WHOLE_FLEET),
  ],
];

function endOf(run: ListedRun | undefined): number {
  return Date.parse(run?.ended_at ?? run?.started_at ?? "");
}

export async function cleanUpRuns(state: FleetState, request: CleanupRequest): Promise<RunCleanup> {
  const { now, dryRun } = request;
  const holds = await readHolds(state, now);
  if (!dryRun) await finishEarlier(state);
  const index = await readIndex(state);
  const reading = new Reading(state, now);
  const entries: CleanupEntry[] = [];
  for (const id of await allIds(state)) {
    const candidate = { id, run: index.get(id) ?? (await reading.listed(id)) };
    const kept = KEEPS.find(([, applies]) => applies(candidate, request, holds))?.[0];
    const entry = kept === undefined ? await takeAway(state, id, dryRun) : plainEntry(id, kept);
    if (entry !== undefined) entries.push(entry);
  }
  const gone = new Set(entries.flatMap(({ id, reason }) => (reason === "removed" ? [id] : [])));
  if (gone.size > 0)
    await writeIndex(
      state,
      [...index.values()].filter(({ id }) => !gone.has(id)),
    );
  const counts = Object.fromEntries(CLEANUP_REASONS.map((reason) => [reason, 0]));
  for (const { reason } of entries) counts[reason] = (counts[reason] ?? 0) + 1;
  if (!dryRun) await recordEvents(state, [cleanedUp(entries)], now);
  return { dry_run: dryRun, older_than_ms: request.olderThan, entries, counts, bytes: sum(entries) };
}

function cleanedUp(entries: readonly CleanupEntry[]): EventFacts {
  const removed = entries.filter(({ reason }) => reason === "removed").length;
  const failed = entries.filter(({ reason }) => reason === "delete_failed").length;
  const kept = entries.length - removed - failed;
  return { type: "cleanup.ended", removed, kept, failed, bytes: sum(entries) };
}

function plainEntry(id: string, reason: CleanupReason): CleanupEntry {
  return { id, reason, bytes: 0, error: null };
}

function sum(entries: readonly CleanupEntry[]): number {
  return entries.reduce((total, { bytes }) => total + bytes, 0);
}

/** In one rename, so that nobody ever sees half a run; undefined when another cleanup was faster. */
async function takeAway(state: FleetState, id: string, dryRun: boolean): Promise<CleanupEntry | undefined> {
  const folder = runFolder(state, id);
  try {
    const bytes = await sizeOf(folder);
    if (dryRun) return { id, reason: "would_remove", bytes, error: null };
    const leaving = join(runsFolder(state), LEAVING + id);
    await rename(folder, leaving);
    await rm(leaving, { recursive: true, force: true });
    return { id, reason: "removed", bytes, error: null };
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    return { id, reason: "delete_failed", bytes: 0, error: toError(thrown).message };
  }
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await unlessMissing(stat(join(entry.parentPath, entry.name))))?.size ?? 0;
  }
  return bytes;
}

/** What a killed cleanup left. */
async function finishEarlier(state: FleetState): Promise<void> {
  const names = (await unlessMissing(readdir(runsFolder(state)))) ?? [];
  for (const name of names.filter((each) => each.startsWith(LEAVING))) {
    await rm(join(runsFolder(state), name), { recursive: true, force: true }).catch(() => undefined);
  }
}
