/**
 * In: a stage, and which of its changes go. Out: the agent's copy as the workspace is at these paths. Killed, it is gone
 * on with by whoever touches the stage next: what was asked to go is written down first.
 */
import { join } from "node:path";
import * as z from "zod";
import { hasCode } from "../errors.ts";
import { readJson, removeFile, writeJson } from "../state/files.ts";
import type { BytePath } from "../util/byte-path.ts";
import { readTree, removeEntry } from "../util/file-tree.ts";
import type { Difference } from "./compare.ts";
import { isAsItWas } from "./compare.ts";
import { stageFault } from "./fault.ts";
import { fillTree, followAt, nextStep } from "./fill.ts";
import type { StageIndex } from "./index-file.ts";
import { readIndex, writeIndex } from "./index-file.ts";
import type { Stage } from "./stage.ts";
import { writeMeta } from "./stage.ts";
import type { Trees } from "./survey.ts";
import { openTrees, surveyStage } from "./survey.ts";

const wishSchema = z.strictObject({
  v: z.literal(1),
  paths: z.union([z.literal("all"), z.array(z.string())]),
});

const wishPath = (stage: Pick<Stage, "dir">): string => join(stage.dir, "discard.json");

/** `all`: the stage begins anew. Else only these paths, and it goes on. */
export async function discard(stage: Stage, paths: "all" | readonly BytePath[], now: number): Promise<void> {
  await writeJson(wishPath(stage), { v: 1, paths });
  await carryOn(stage, paths, now);
}

/** What an earlier discard left. True when there was something. */
export async function recoverDiscard(stage: Stage, now: number): Promise<boolean> {
  const wish = await readJson(wishPath(stage), wishSchema, "quarantine", undefined);
  if (wish === undefined) return false;
  await carryOn(stage, wish.paths, now);
  return true;
}

async function carryOn(stage: Stage, paths: "all" | readonly BytePath[], now: number): Promise<void> {
  try {
    if (paths === "all") await beginAnew(stage, now);
    else {
      using trees = openTrees(stage);
      const index = await readIndex(stage.index);
      await followAt(trees, paths, index, { clones: undefined });
      await writeIndex(stage.index, index);
    }
  } catch (thrown) {
    throw stageFault("bring up to date", stage.tree, thrown);
  }
  await removeFile(wishPath(stage));
}

/** The agent's copy becomes what the workspace is now. An index that cannot be read is made anew with it. */
async function beginAnew(stage: Stage, now: number): Promise<void> {
  using trees = openTrees(stage);
  const known = await readIndex(stage.index).catch((): StageIndex => new Map());
  try {
    await freshen(stage, trees, known, "all");
  } catch (thrown) {
    if (!hasCode(thrown, "STAGE_IO")) throw thrown;
    await refill(stage, trees);
  }
  await writeMeta(stage.dir, { ...stage.meta, began_at: now });
}

/** Where the agent's copy cannot be read to its end. The top folder stays: a runtime may have it mounted. */
async function refill(stage: Stage, { real, mine }: Trees): Promise<void> {
  // Nothing goes before it is known that the workspace can be read.
  await readTree(stage.meta.source, stage.skip);
  for (const name of mine.names()) removeEntry(mine, name);
  const index = await fillTree({ real, mine }, stage.skip, { clones: undefined });
  await Promise.all([writeIndex(stage.index, index), nextStep()]);
}

/** Brings in what changed in the workspace; with `all`, also over what the agent changed. */
async function freshen(stage: Stage, trees: Trees, index: StageIndex, over: "all" | "rest"): Promise<number> {
  const real = await readTree(stage.meta.source, stage.skip);
  const { mine, differences } = await surveyStage(stage, trees, index);
  const paths = new Set<BytePath>();
  const changed = new Set(differences.map(({ path }: Difference) => path));
  if (over === "all") for (const path of changed) paths.add(path);
  for (const path of new Set([...index.keys(), ...real.keys(), ...mine.keys()])) {
    if (changed.has(path)) continue;
    if (!isAsItWas(index.get(path)?.base, real.get(path))) paths.add(path);
  }
  if (paths.size === 0) return 0;
  await followAt(trees, paths, index, { clones: undefined });
  await writeIndex(stage.index, index);
  return paths.size;
}

/** A stage without a change of the agent's follows the workspace. False when there is one, and then nothing is done. */
export async function followIfClean(stage: Stage, now: number): Promise<boolean> {
  using trees = openTrees(stage);
  const { index, differences } = await surveyStage(stage, trees);
  if (differences.length > 0) return false;
  if ((await freshen(stage, trees, index, "rest")) > 0)
    await writeMeta(stage.dir, { ...stage.meta, began_at: now });
  return true;
}
