/** In: one fleet's ledger. Out: each run that has not ended, and how the index stands to the manifests. Reads only. */
import { stat } from "node:fs/promises";
import type { ListedRun } from "../../model/run.ts";
import { listedRunSchema } from "../../model/run.ts";
import type { RunManifest } from "../../model/run-manifest.ts";
import { runManifestSchema } from "../../model/run-manifest.ts";
import { engineKey } from "../../observe/engines.ts";
import type { FleetState } from "../../state/directory.ts";
import { parseJson, readJson, readText } from "../../state/files.ts";
import { unlessMissing } from "../../util/errno.ts";
import { liveness } from "../../util/process-identity.ts";
import { Reading } from "../history.ts";
import { allIds } from "../latest-ids.ts";
import { indexPath, manifestPath, runFolder } from "../layout.ts";
import { listed } from "../run-index.ts";
import type { Item, Subject } from "./item.ts";

/** Manifests read at once. */
const BATCH = 64;

export async function runSubjects(state: FleetState, now: () => number): Promise<Subject[]> {
  const { items, index } = await lookAtRuns(state, now());
  const found: Subject[] = items.map((item) => ({
    item,
    again: async () => (await lookAtRun(state, now(), item.id)).item,
  }));
  const again = async (): Promise<Item> => (await lookAtRuns(state, now())).index;
  return [...found, { item: index, again }];
}

type RunItem = Extract<Item, { readonly what: "run" }>;
type IndexItem = Extract<Item, { readonly what: "index" }>;

async function lookAtRuns(
  state: FleetState,
  now: number,
): Promise<{ readonly items: readonly RunItem[]; readonly index: IndexItem }> {
  const before = await indexLines(state);
  const ended = new Map<string, string>();
  const items: RunItem[] = [];
  const ids = await allIds(state);
  for (let start = 0; start < ids.length; start += BATCH) {
    const batch = ids.slice(start, start + BATCH).map(async (id) => lookAtRun(state, now, id));
    for (const { item, manifest } of await Promise.all(batch)) {
      if (item !== undefined) items.push(item);
      else if (manifest !== undefined) ended.set(manifest.run_id, JSON.stringify(listed(manifest)));
    }
  }
  // What ended while the manifests were read stands in the second look only, and what went in the first only.
  const after = new Map((await indexLines(state)).flatMap((line) => (line === undefined ? [] : [line])));
  const told = new Map(before.flatMap((line) => (line === undefined ? [] : [line])));
  const lacks = [...ended.keys()].filter((id) => !after.has(id)).length;
  const differs = [...ended].filter(([id, text]) => after.has(id) && after.get(id) !== text).length;
  const torn = before.filter((line) => line === undefined).length;
  const besides = torn + [...told.keys()].filter((id) => !ended.has(id) && after.has(id)).length;
  const path = indexPath(state);
  return { items, index: { fleet: state.fleet, path, what: "index", lacks, differs, besides } };
}

/** Each line as an id and a text of one key order; undefined for one that is torn or not ours. */
async function indexLines(
  state: FleetState,
): Promise<readonly (readonly [id: string, text: string] | undefined)[]> {
  const lines = ((await readText(indexPath(state))) ?? "").split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const run: ListedRun | undefined = parseJson(line, listedRunSchema);
    return run === undefined ? undefined : [run.id, JSON.stringify(run)];
  });
}

/** Of a run that has ended only the manifest. */
async function lookAtRun(
  state: FleetState,
  now: number,
  id: string,
): Promise<{ readonly item?: RunItem; readonly manifest?: RunManifest }> {
  const folder = runFolder(state, id);
  const manifest = await readJson(manifestPath(folder), runManifestSchema, "report", undefined);
  if (manifest !== undefined && manifest.status !== "running") return { manifest };
  const found = await unlessMissing(stat(folder));
  if (found === undefined) return {};
  const at = { fleet: state.fleet, path: folder, what: "run", id, ageMs: now - found.mtimeMs } as const;
  if (manifest === undefined) {
    return { item: { ...at, state: "unreadable", address: null, object_id: null, engine: "" } };
  }
  const { address, object_id, backend, host } = manifest;
  const engine = backend === null || host === null ? "" : engineKey({ backend, host });
  return {
    item: { ...at, state: await stateOf(state, now, manifest), address, object_id, engine },
    manifest,
  };
}

async function stateOf(state: FleetState, now: number, manifest: RunManifest): Promise<RunItem["state"]> {
  const life = liveness(manifest.process);
  if (life === "alive") return "alive";
  return life === "unknown" && (await new Reading(state, now).goesOn(manifest)) ? "unknown" : "gone";
}
