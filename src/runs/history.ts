/**
 * In: a fleet's ledger and what is asked for. Out: its runs, newest first. The folders and their manifests are the
 * truth; the index only saves reading them. A run whose process is gone is marked interrupted by the way.
 */
import { stat } from "node:fs/promises";
import type { ListedRun, RunStatus } from "../model/run.ts";
import type { RunList, RunReconcile } from "../model/run-answers.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import { runManifestSchema } from "../model/run-manifest.ts";
import type { FleetState } from "../state/directory.ts";
import { readDisruption } from "../state/disruption.ts";
import { readJson, writeJson } from "../state/files.ts";
import { readOpenRuns } from "../state/open-runs.ts";
import { liveness } from "../util/process-identity.ts";
import { allIds, latestIds } from "./latest-ids.ts";
import { logPath, manifestPath, runFolder, timesPath } from "./layout.ts";
import { appendToIndex, listed, readIndex } from "./run-index.ts";
import { readLogState } from "./read-log.ts";
import { tellEnded } from "./run-events.ts";

export interface RunFilter {
  readonly status?: RunStatus;
  readonly source?: string;
  readonly agent?: string;
  readonly session?: string;
}

export interface RunQuery extends RunFilter {
  readonly limit?: number;
  readonly now: number;
}

/** So few manifests are read sooner than an index of all runs. */
const FEW = 100;

export async function findRuns(state: FleetState, query: RunQuery): Promise<RunList> {
  const plain = query.status === undefined && !SELECTIVE.some((key) => query[key] !== undefined);
  if (!plain || (query.limit ?? Number.MAX_SAFE_INTEGER) > FEW)
    return await findAmong(state, query, await allIds(state), await readIndex(state));
  const { ids, all } = await latestIds(state);
  const found = await findAmong(state, query, ids, undefined);
  // So many of them could not be read that older ones have their turn.
  return all || found.more ? found : await findAmong(state, query, await allIds(state), undefined);
}

async function findAmong(
  state: FleetState,
  query: RunQuery,
  ids: readonly string[],
  index: ReadonlyMap<string, ListedRun> | undefined,
): Promise<RunList> {
  const { limit = Number.MAX_SAFE_INTEGER } = query;
  const reading = new Reading(state, query.now);
  const runs: ListedRun[] = [];
  const unindexed: ListedRun[] = [];
  let more = false;
  for (const id of ids) {
    if (runs.length === limit && more) break;
    const known = index?.get(id);
    const run = known ?? (await reading.listed(id));
    if (run === undefined) continue;
    if (index !== undefined && known === undefined && run.status !== "running") unindexed.push(run);
    if (!matches(run, query)) continue;
    if (runs.length === limit) more = true;
    else runs.push(run);
  }
  // A cache that cannot be written is no reason not to answer.
  const indexed = await appendToIndex(state, unindexed).then(
    () => unindexed.length,
    () => 0,
  );
  return { runs, more, reconcile: { ...reading.told, indexed } };
}

const SELECTIVE = ["source", "agent", "session"] as const;

function matches(run: ListedRun, filter: RunFilter): boolean {
  if (filter.status !== undefined && run.status !== filter.status) return false;
  return SELECTIVE.every((key) => filter[key] === undefined || run[key] === filter[key]);
}

/** Reads manifests, and marks those of dead processes. */
export class Reading {
  readonly #state: FleetState;
  readonly #now: number;
  #interrupted = 0;
  readonly #unreadable: string[] = [];
  #open: Promise<ReadonlySet<string>> | undefined;

  constructor(state: FleetState, now: number) {
    this.#state = state;
    this.#now = now;
  }

  get told(): Omit<RunReconcile, "indexed"> {
    return { interrupted: this.#interrupted, unreadable: [...this.#unreadable] };
  }

  async listed(id: string): Promise<ListedRun | undefined> {
    const manifest = await this.manifest(runFolder(this.#state, id));
    if (manifest === undefined) this.#unreadable.push(id);
    return manifest && listed(manifest);
  }

  /** As it is now: a manifest that says `running` is only believed while its process lives. */
  async manifest(folder: string): Promise<RunManifest | undefined> {
    const found = await readJson(manifestPath(folder), runManifestSchema, "report", this.#state.onProblem);
    if (found === undefined || found.status !== "running" || (await this.goesOn(found))) return found;
    // It may have ended between the two looks.
    const again = await readJson(manifestPath(folder), runManifestSchema, "report", undefined);
    if (again === undefined || again.status !== "running") return again;
    const marked = await interrupted(folder, again);
    this.#interrupted += 1;
    // Whoever looks next finds the same again.
    await writeJson(manifestPath(folder), marked).then(
      () => tellEnded(this.#state, marked),
      () => undefined,
    );
    return marked;
  }

  /** Whether a manifest that says `running` may be believed. */
  async goesOn(manifest: RunManifest): Promise<boolean> {
    const life = liveness(manifest.process);
    if (life !== "unknown") return life === "alive";
    // Another machine's or container's: only its heartbeat tells. What runs on a host has none.
    if (!manifest.sandboxed) return this.#now - Date.parse(manifest.started_at) < OVER;
    this.#open ??= readOpenRuns(this.#state, this.#now).then(
      (all) => new Set(all.map((each) => each.run_id)),
    );
    return (await this.#open).has(manifest.run_id);
  }
}

/** Milliseconds after which a run without a heartbeat and of an unknown machine counts as over. */
const OVER = 86_400_000;

/** What can still be known of a run that nobody followed to its end: its output up to then, and when the last came. */
export async function interrupted(folder: string, manifest: RunManifest): Promise<RunManifest> {
  const paths = [
    logPath(folder, "stdout"),
    logPath(folder, "stderr"),
    timesPath(folder),
    manifestPath(folder),
  ];
  const times = await Promise.all(
    paths.map(async (path) => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0),
  );
  const began = Date.parse(manifest.started_at);
  const last = Math.max(began, ...times);
  return {
    ...manifest,
    status: "interrupted",
    exit_class: "interrupted",
    ended_at: new Date(last).toISOString(),
    duration_ms: Math.round(last - began),
    disrupted: await readDisruption(folder).catch(() => null),
    logs:
      manifest.tty && !manifest.sandboxed
        ? null
        : { stdout: await readLogState(folder, "stdout"), stderr: await readLogState(folder, "stderr") },
  };
}
