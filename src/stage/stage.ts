/**
 * A stage on disk: the agent's own copy of a workspace, with what is needed to tell what the agent changed. In: the state
 * directory and whose stage it is. Out: its files. It is beside `fleets/`, since an agent's work is no history.
 *
 *     <stateDir>/stages/<fleet>/<address>/   stage.json index tree/ apply/ applied/<id>/ discard.json
 */
import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import * as z from "zod";
import { stageMechanismSchema } from "../model/stage.ts";
import { listNames, readJson, removeFile, writeJson } from "../state/files.ts";
import type { ProblemSink } from "../state/files.ts";
import type { BytePath } from "../util/byte-path.ts";
import { bytePath, isBelow } from "../util/byte-path.ts";
import { syncDirectory } from "../util/durable-file.ts";
import { unlessMissing } from "../util/errno.ts";
import { decodeFileName } from "../util/file-name.ts";
import { removeEntry } from "../util/file-tree.ts";
import { FolderHandle } from "../util/folder-handle.ts";
import type { StageOwner } from "../util/stage-place.ts";
import { fleetStages, stageFolder } from "../util/stage-place.ts";
import { stageFault } from "./fault.ts";

const metaSchema = z.object({
  v: z.literal(1),
  id: z.string(),
  fleet: z.string(),
  address: z.string(),
  /** Real path of the workspace. */
  source: z.string(),
  mechanism: stageMechanismSchema,
  why: z.string(),
  began_at: z.number(),
});
export type StageMeta = z.infer<typeof metaSchema>;

export interface Stage {
  readonly dir: string;
  /** The agent's copy. */
  readonly tree: string;
  readonly index: string;
  readonly meta: StageMeta;
  /** What of the workspace is no part of it: our own state, where that lies inside. */
  readonly skip: (path: BytePath) => boolean;
}

export async function writeMeta(dir: string, meta: StageMeta): Promise<void> {
  await writeJson(join(dir, "stage.json"), meta);
}

/** Killed halfway, what is left is no stage: its description goes first. Folders that are closed to their owner go as well. */
export async function dropStage(dir: string): Promise<void> {
  if (!existsSync(dir)) return;
  await removeFile(join(dir, "stage.json"));
  await syncDirectory(dir);
  using parent = FolderHandle.open(dirname(dir));
  try {
    removeEntry(parent, bytePath(basename(dir)));
  } catch (thrown) {
    throw stageFault("remove", dir, thrown);
  }
}

/** Undefined where no whole stage is. */
export async function readStage(
  stateDir: string,
  owner: StageOwner,
  onProblem?: ProblemSink,
): Promise<Stage | undefined> {
  const dir = stageFolder(stateDir, owner);
  const meta = await readJson(join(dir, "stage.json"), metaSchema, "report", onProblem);
  if (meta === undefined || meta.fleet !== owner.fleet || meta.address !== owner.address) return undefined;
  return await stageOf(stateDir, dir, meta);
}

export async function stageOf(stateDir: string, dir: string, meta: StageMeta): Promise<Stage> {
  const skip = await skipState(stateDir, meta.source);
  return { dir, meta, skip, tree: join(dir, "tree"), index: join(dir, "index") };
}

/** A state directory inside the workspace is never part of it. */
export async function skipState(stateDir: string, source: string): Promise<(path: BytePath) => boolean> {
  const state = (await unlessMissing(realpath(stateDir))) ?? stateDir;
  const way = relative(source, state);
  if (way === "" || way === ".." || way.startsWith(`..${sep}`)) return () => false;
  const inside = bytePath(way);
  return (path) => path === inside || isBelow(path, inside);
}

/** Every whole stage of a fleet, by address. */
export async function listStages(
  stateDir: string,
  fleet: string,
  onProblem?: ProblemSink,
): Promise<readonly Stage[]> {
  const found: Stage[] = [];
  for (const name of await listNames(fleetStages(stateDir, fleet))) {
    const address = decodeFileName(name);
    const stage =
      address === undefined ? undefined : await readStage(stateDir, { fleet, address }, onProblem);
    if (stage !== undefined) found.push(stage);
  }
  return found.toSorted((a, b) => (a.meta.address < b.meta.address ? -1 : 1));
}
