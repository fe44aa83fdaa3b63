import type { ListedRun } from "../model/run.ts";
import { listedRunSchema } from "../model/run.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import type { FleetState } from "../state/directory.ts";
import { appendLines, parseJson, readText, writeText } from "../state/files.ts";
import { indexPath } from "./layout.ts";

// The index holds ended runs only, since nothing about them changes any more. It is a cache of the manifests: what it
// lacks is read from them, and without its file all is the same, only slower.

export function listed(run: RunManifest): ListedRun {
  return {
    id: run.run_id,
    source: run.source,
    status: run.status,
    agent: run.agent,
    session: run.session,
    address: run.address,
    backend: run.backend,
    host: run.host,
    spec_hash: run.spec_hash,
    argv: run.argv,
    exit_code: run.exit_code,
    signal: run.signal,
    exit_class: run.exit_class,
    started_at: run.started_at,
    ended_at: run.ended_at,
    duration_ms: run.duration_ms,
  };
}

/** In one write, so that lines of several processes never mix. */
export async function appendToIndex(state: FleetState, runs: readonly ListedRun[]): Promise<void> {
  await appendLines(
    indexPath(state),
    runs.map((run) => JSON.stringify(run)),
  );
}

/** By id; lines that are torn or not ours count as absent. */
export async function readIndex(state: FleetState): Promise<Map<string, ListedRun>> {
  const found = new Map<string, ListedRun>();
  for (const line of ((await readText(indexPath(state))) ?? "").split("\n")) {
    const run = line === "" ? undefined : parseJson(line, listedRunSchema);
    if (run !== undefined && run.status !== "running") found.set(run.id, run);
  }
  return found;
}

/** Replaces the index; runs that end meanwhile are found again from their manifests. */
export async function writeIndex(state: FleetState, runs: Iterable<ListedRun>): Promise<void> {
  await writeText(indexPath(state), textOf([...runs].filter(({ status }) => status !== "running")));
}

function textOf(runs: readonly ListedRun[]): string {
  return runs.map((run) => `${JSON.stringify(run)}\n`).join("");
}
