/**
 * In: whose stage it is to be, and the workspace. Out: a whole stage, ready to be worked on: the one that is there, with
 * all that the agent has done in it, or a new one. A new one that was cut short is begun again.
 */
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SandkeepError } from "../errors.ts";
import { makeDirectory } from "../state/files.ts";
import { bytePath } from "../util/byte-path.ts";
import type { Cloning } from "../util/copy-entry.ts";
import { finishFolder } from "../util/copy-entry.ts";
import { lookAt } from "../util/file-tree.ts";
import { FolderHandle } from "../util/folder-handle.ts";
import type { StageOwner } from "../util/stage-place.ts";
import { stageFolder } from "../util/stage-place.ts";
import { stageFault } from "./fault.ts";
import { fillTree, nextStep } from "./fill.ts";
import { writeIndex } from "./index-file.ts";
import { mechanismOf } from "./mechanism.ts";
import type { Stage, StageMeta } from "./stage.ts";
import { dropStage, isDescribed, readStage, skipState, stageOf, undescribed, writeMeta } from "./stage.ts";
import { openTrees, surveyStage } from "./survey.ts";

export interface OpenRequest extends StageOwner {
  readonly stateDir: string;
  /** Real path of the workspace. */
  readonly source: string;
  readonly id: string;
  readonly now: number;
  /** Where its runtime is, or is to be. */
  readonly engine?: StageMeta["engine"];
}

export async function openStage(request: OpenRequest): Promise<Stage> {
  const { stateDir, source, address } = request;
  const known = await readStage(stateDir, request);
  if (known === undefined) return await begin(request);
  if (known.meta.source === source) return await followEngine(known, request);
  const changes = await countChanges(known);
  if (changes > 0) throw otherSource(address, known.meta.source, changes);
  await dropStage(known.dir);
  return await begin(request);
}

/** A runtime may come back on another engine. */
async function followEngine(stage: Stage, { engine }: OpenRequest): Promise<Stage> {
  const { meta } = stage;
  const same = meta.engine?.backend === engine?.backend && meta.engine?.host === engine?.host;
  if (same || engine === undefined) return stage;
  await writeMeta(stage.dir, { ...meta, engine });
  return { ...stage, meta: { ...meta, engine } };
}

async function countChanges(stage: Stage): Promise<number> {
  using trees = openTrees(stage);
  return (await surveyStage(stage, trees)).differences.length;
}

function otherSource(address: string, source: string, changes: number): SandkeepError {
  return new SandkeepError(
    `${address} has ${changes} unapplied ${changes === 1 ? "change" : "changes"} to ${source}, and its workspace is another folder now`,
    {
      code: "STAGE_OTHER_SOURCE",
      hint: "sandkeep stage apply, or discard, what is there; then apply again",
      exitCode: 3,
    },
  );
}

async function begin(request: OpenRequest): Promise<Stage> {
  const { stateDir, source, fleet, address, id, now, engine } = request;
  const dir = stageFolder(stateDir, request);
  if (await isDescribed(dir)) throw undescribed(dir);
  await dropStage(dir);
  await makeDirectory(dir);
  const plan = {
    dir,
    tree: join(dir, "tree"),
    index: join(dir, "index"),
    skip: await skipState(stateDir, source),
  };
  const where = engine === undefined ? {} : { engine };
  const base = { v: 1, id, fleet, address, source, began_at: now, ...where } as const;
  try {
    await mkdir(plan.tree, { mode: 0o700 });
    const cloning: Cloning = { clones: undefined };
    using real = FolderHandle.open(source);
    using mine = FolderHandle.openUnshared(plan.tree);
    const index = await fillTree({ real, mine }, plan.skip, cloning);
    finishRoot(source, plan.tree);
    await Promise.all([writeIndex(plan.index, index), nextStep()]);
    const made: StageMeta = { ...base, ...mechanismOf(cloning) };
    await writeMeta(dir, made);
    return await stageOf(stateDir, dir, made);
  } catch (thrown) {
    await dropStage(dir).catch(() => undefined);
    throw stageFault("copy the workspace", source, thrown);
  }
}

/** The top folder itself, so that whoever works in the copy may do there what they may in the workspace. */
function finishRoot(source: string, tree: string): void {
  using from = FolderHandle.open(dirname(source));
  using to = FolderHandle.open(dirname(tree));
  const like = lookAt(from, bytePath(basename(source)));
  if (like !== undefined) finishFolder(to, bytePath(basename(tree)), like);
}
