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
import { SandkeepError } from "../errors.ts";
import { stageMechanismSchema } from "../model/stage.ts";
import { listNames, readJson, readText, removeFile, writeJson } from "../state/files.ts";
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
  /** Where its runtime is; absent once that was taken away. */
  engine: z.strictObject({ backend: z.string(), host: z.string() }).optional(),
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
export async function readStage(stateDir: string, owner: StageOwner): Promise<Stage | undefined> {
  const dir = stageFolder(stateDir, owner);
  const meta = await readJson(join(dir, "stage.json"), metaSchema, "report", undefined);
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

/** One whose description nobody can read, with why and what to do; what the agent made may well be whole. */
export interface BrokenStage {
  readonly address: string;
  readonly dir: string;
  readonly fault: SandkeepError;
}

export interface FleetStages {
  readonly stages: readonly Stage[];
  readonly broken: readonly BrokenStage[];
}

/** Every stage of a fleet, by address. */
export async function listStages(stateDir: string, fleet: string): Promise<FleetStages> {
  const stages: Stage[] = [];
  const broken: BrokenStage[] = [];
  const names = await listNames(fleetStages(stateDir, fleet));
  const addresses = names.map((name) => decodeFileName(name)).filter((each) => each !== undefined);
  for (const address of addresses.toSorted()) {
    const stage = await readStage(stateDir, { fleet, address });
    const dir = stageFolder(stateDir, { fleet, address });
    if (stage !== undefined) stages.push(stage);
    else if (await isDescribed(dir)) broken.push({ address, dir, fault: undescribed(dir) });
  }
  return { stages, broken };
}

/** Without its `stage.json` nobody has worked in what is there; with one that nobody can read, somebody may have. */
export async function isDescribed(dir: string): Promise<boolean> {
  return (await readText(join(dir, "stage.json"))) !== undefined;
}

export function undescribed(dir: string): SandkeepError {
  return new SandkeepError(
    `${join(dir, "stage.json")} is torn, newer than this version, or another runtime's`,
    {
      code: "STAGE_DAMAGED",
      hint: `the agent's files are in ${join(dir, "tree")}: save what you need, then remove ${dir}`,
    },
  );
}
