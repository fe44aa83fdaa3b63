/**
 * In: a stage, and what of it is to be applied, taken back or thrown away. Out: that, whole or not at all, also after a
 * kill at any moment: whoever touches the stage next finishes it, or undoes it. The caller holds the stage's lock.
 */
import { SandkeepError, toError } from "../errors.ts";
import { listNames } from "../state/files.ts";
import type { BytePath } from "../util/byte-path.ts";
import { parentOf } from "../util/byte-path.ts";
import type { TreeEntry } from "../util/file-tree.ts";
import { entryAt, hashOf, lookAt } from "../util/file-tree.ts";
import type { FolderHandle } from "../util/folder-handle.ts";
import { inParent } from "../util/folder-handle.ts";
import { commit, Intervened, isSide } from "./commit.ts";
import type { Difference } from "./compare.ts";
import { nextStep } from "./fill.ts";
import { readIndex, writeIndex } from "./index-file.ts";
import type { Journal, JournalItem, Saved } from "./journal.ts";
import {
  appliedFolder,
  beginJournal,
  blobPath,
  dropJournal,
  keepApplied,
  newJournalFolder,
  save,
  underWay,
  unfinished,
  writeJournal,
} from "./journal.ts";
import { stageFault } from "./fault.ts";
import { forgetApplied } from "./reverse.ts";
import type { Stage } from "./stage.ts";
import type { Trees } from "./survey.ts";
import { openTrees } from "./survey.ts";

/** Ids of the applies that can be taken back, the newest last. */
export async function appliedIds(stage: Pick<Stage, "dir">): Promise<readonly string[]> {
  return await listNames(appliedFolder(stage.dir));
}

export interface CarryOut {
  /** Sorts by time. */
  readonly id: string;
  readonly now: number;
}

/** Applies these differences to the workspace, all or none. */
export async function applyDifferences(
  stage: Stage,
  chosen: readonly Difference[],
  how: CarryOut,
): Promise<void> {
  await settle(stage, await beginApply(stage, chosen, how));
}

/** The journal of an apply, with all that it needs; from here on it is finished or undone, whoever does it. */
export async function beginApply(
  stage: Stage,
  chosen: readonly Difference[],
  how: CarryOut,
): Promise<Journal> {
  const folder = await newJournalFolder(stage.dir);
  const items: JournalItem[] = [];
  {
    using trees = openTrees(stage);
    for (const [n, { path, mine, real }] of chosen.entries()) {
      const owner = real === undefined ? parentOwner(trees.real, path) : ownerOf(real);
      const before = keep(trees.real, path, real, blobPath(folder, "before", n), ownerOf(real));
      const after = keep(trees.mine, path, mine, blobPath(folder, "after", n), owner);
      items.push({ path, before, after });
    }
  }
  const { id, now } = how;
  const journal: Journal = { v: 1, id, phase: "committing", direction: "apply", of: null, at: now, items };
  await beginJournal(folder, journal);
  return journal;
}

export function ownerOf(entry: TreeEntry | undefined): Saved["owner"] {
  return entry === undefined ? null : { uid: entry.uid, gid: entry.gid };
}

/** What is new belongs to whom its folder belongs to, as if they had made it. */
export function parentOwner(root: FolderHandle, path: BytePath): Saved["owner"] {
  for (let at = parentOf(path); at !== ""; at = parentOf(at)) {
    const above = entryAt(root, at);
    if (above !== undefined) return ownerOf(above);
  }
  return root.owner();
}

export function keep(
  root: FolderHandle,
  path: BytePath,
  entry: TreeEntry | undefined,
  blob: string,
  owner: Saved["owner"],
): Saved | null {
  if (entry === undefined) return null;
  const saved = save(root, path, entry, blob, owner);
  // Only what was looked at and judged may be applied.
  if (saved === undefined || saved.size !== entry.size || entryAt(root, path)?.sign !== entry.sign)
    throw new Intervened(path, "changed");
  return saved;
}

/** Commits a journal, or where that cannot be done, undoes it and says why. */
export async function settle(stage: Stage, journal: Journal): Promise<void> {
  await commitOrUndo({ dir: stage.dir, source: stage.meta.source }, journal);
  await committed(stage, journal);
}

/** Where a journal lies, and what it is about. */
export interface JournalPlace {
  readonly dir: string;
  readonly source: string;
}

export async function commitOrUndo({ dir, source }: JournalPlace, journal: Journal): Promise<void> {
  try {
    await commit(source, underWay(dir), journal);
  } catch (thrown) {
    await undo({ dir, source }, journal);
    throw stageFault("apply the changes to", source, thrown);
  }
}

export async function undo({ dir, source }: JournalPlace, journal: Journal): Promise<void> {
  const folder = underWay(dir);
  const undoing: Journal = { ...journal, phase: "undoing" };
  await writeJournal(folder, undoing);
  try {
    await commit(source, folder, undoing);
  } catch (thrown) {
    throw new SandkeepError(`the workspace could not be brought back: ${toError(thrown).message}`, {
      code: "STAGE_UNDO",
      hint: "put right what it says; the next command on it goes on with it",
      cause: thrown,
    });
  }
  await dropJournal(dir);
}

/** From here on nothing undoes it: what the index calls agreed has to stay so. */
async function committed(stage: Stage, journal: Journal): Promise<void> {
  await writeJournal(underWay(stage.dir), { ...journal, phase: "committed" });
  await finish(stage, journal);
}

async function finish(stage: Stage, journal: Journal): Promise<void> {
  await follow(stage, journal);
  if (journal.direction === "reverse") {
    await forgetApplied(stage, journal);
    await dropJournal(stage.dir);
    return;
  }
  await keepApplied(stage.dir, journal.id, await appliedIds(stage));
}

/** The index says from now on that both sides agree on what was applied. */
async function follow(stage: Stage, journal: Journal): Promise<void> {
  const index = await readIndex(stage.index);
  using trees = openTrees(stage);
  await nextStep();
  for (const { path, after } of journal.items) {
    const base = entryAt(trees.real, path);
    if (isStill(trees, path, base, after)) {
      if (base === undefined) index.delete(path);
      else index.set(path, { base, mine: agreedSign(trees, path, after) });
    } else if (journal.direction === "reverse") {
      // Somebody went on from what was taken back, and the stage holds the agent's change to it again.
      if (after === null) index.delete(path);
      else index.set(path, { base: entryOf(after), mine: "" });
    }
    // Else what was known before stays, so that the path counts as changed on both sides.
  }
  await writeIndex(stage.index, index);
}

/** Whether nobody has changed since what was committed, while it was read either. */
function isStill({ real }: Trees, path: BytePath, now: TreeEntry | undefined, after: Saved | null): boolean {
  if (now?.kind === "folder" && now.mode !== after?.mode) return false;
  const same = inParent(real, path, (folder, name) => isSide(folder, name, after)) ?? after === null;
  return same && (now?.kind !== "file" || entryAt(real, path)?.sign === now.sign);
}

/** Of contents that no file holds any more. */
function entryOf({ kind, mode, size, target, owner }: Saved): TreeEntry {
  const { uid, gid } = owner ?? { uid: 0, gid: 0 };
  return { kind, mode, size, sign: "", uid, gid, ...(target === null ? {} : { target }) };
}

/** Empty where the agent has gone on since, or where the workspace went back: then contents decide. */
function agreedSign({ mine }: Trees, path: BytePath, after: Saved | null): string {
  return (
    inParent(mine, path, (folder, name) => {
      const entry = lookAt(folder, name);
      if (entry?.kind !== "file" || after?.kind !== "file" || entry.size !== after.size) return "";
      return hashOf(folder, name) === after.sha256 ? entry.sign : "";
    }) ?? ""
  );
}

/** What an earlier command left half done: finished where that is possible, else undone. True when there was something. */
export async function recover(stage: Stage): Promise<"nothing" | "finished" | "undone"> {
  const journal = await unfinished(stage.dir);
  if (journal === undefined) return "nothing";
  const place = { dir: stage.dir, source: stage.meta.source };
  if (journal.phase === "undoing") {
    await undo(place, journal);
    return "undone";
  }
  if (journal.phase === "committed") {
    await finish(stage, journal);
    return "finished";
  }
  try {
    await commit(stage.meta.source, underWay(stage.dir), journal);
  } catch (thrown) {
    await undo(place, journal);
    if (thrown instanceof Intervened) return "undone";
    throw stageFault("finish applying the changes to", stage.meta.source, thrown);
  }
  await committed(stage, journal);
  return "finished";
}
