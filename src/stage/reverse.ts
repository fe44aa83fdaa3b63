/** Takes an earlier apply back: its own journal, the other way round. */
import { linkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "../util/byte-path.ts";
import { isBelow, parentOf } from "../util/byte-path.ts";
import { FolderHandle, inParent } from "../util/folder-handle.ts";
import { isSide } from "./commit.ts";
import type { Conflict } from "./conflicts.ts";
import type { Journal, JournalItem } from "./journal.ts";
import {
  appliedFolder,
  beginJournal,
  blobPath,
  newJournalFolder,
  readJournal,
  writeJournal,
} from "./journal.ts";
import type { Stage } from "./stage.ts";

export interface Reversal {
  readonly record: Journal;
  readonly chosen: readonly JournalItem[];
  readonly left: readonly JournalItem[];
  /** What is no longer as the apply left it. */
  readonly conflicts: readonly Conflict[];
}

export async function planReversal(
  stage: Stage,
  id: string,
  wanted: (path: BytePath) => boolean,
): Promise<Reversal> {
  const record = await readJournal(join(appliedFolder(stage.dir), id));
  if (record === undefined) {
    throw new SandkeepError(`what was applied as ${id} is torn or missing`, {
      code: "STAGE_DAMAGED",
      hint: "it cannot be taken back; the workspace stays as it is",
    });
  }
  const items = record.items.filter((item) => !isNothing(item));
  const chosen = closeOver(items, wanted);
  using root = FolderHandle.open(stage.meta.source);
  const conflicts = chosen
    .filter((item) => !isThere(root, item))
    .map(({ path, before, after }) => ({
      path,
      agent: before === null ? "added" : after === null ? "deleted" : "modified",
      workspace: "changed since it was applied",
    }));
  return { record, chosen, left: items.filter((item) => !chosen.includes(item)), conflicts };
}

function isThere(root: FolderHandle, item: JournalItem): boolean {
  return inParent(root, item.path, (folder, name) => isSide(folder, name, item.after)) ?? item.after === null;
}

/** With a path go the folders that it needs back, and what is in a folder that goes away. */
function closeOver(
  items: readonly JournalItem[],
  wanted: (path: BytePath) => boolean,
): readonly JournalItem[] {
  const byPath = new Map(items.map((item) => [item.path, item]));
  const chosen = new Set<BytePath>();
  const add = (item: JournalItem): void => {
    if (chosen.has(item.path)) return;
    chosen.add(item.path);
    for (let at = parentOf(item.path); at !== "" && item.before !== null; at = parentOf(at)) {
      const above = byPath.get(at);
      if (above !== undefined && above.after?.kind !== "folder") add(above);
    }
    if (item.after?.kind === "folder" && item.before?.kind !== "folder")
      for (const below of items) if (isBelow(below.path, item.path)) add(below);
  };
  for (const item of items) if (wanted(item.path)) add(item);
  return items.filter(({ path }) => chosen.has(path));
}

/** The journal of the reversal, begun. */
export async function beginReversal(
  stage: Stage,
  { record, chosen }: Reversal,
  how: { readonly id: string; readonly now: number },
): Promise<Journal> {
  const from = join(appliedFolder(stage.dir), record.id);
  const folder = await newJournalFolder(stage.dir);
  const items = chosen.map((item, n): JournalItem => {
    const old = record.items.indexOf(item);
    if (item.after?.kind === "file") linkSync(blobPath(from, "after", old), blobPath(folder, "before", n));
    if (item.before?.kind === "file") linkSync(blobPath(from, "before", old), blobPath(folder, "after", n));
    return { path: item.path, before: item.after, after: item.before };
  });
  const { id, now: at } = how;
  const journal: Journal = { v: 1, id, phase: "committing", direction: "reverse", of: record.id, at, items };
  await beginJournal(folder, journal);
  return journal;
}

/** What was taken back can be so no second time; the rest of that apply still can. */
export async function forgetApplied(stage: Stage, { of, items }: Journal): Promise<void> {
  if (of === null) return;
  const folder = join(appliedFolder(stage.dir), of);
  const record = await readJournal(folder);
  if (record === undefined) return;
  const gone = new Set(items.map(({ path }) => path));
  if (record.items.every((each) => gone.has(each.path) || isNothing(each))) {
    await rm(folder, { recursive: true, force: true });
    return;
  }
  // Places in the list name the contents, so what is gone stays as an entry that changes nothing.
  const rest = record.items.map((item) => (gone.has(item.path) ? { ...item, ...NOTHING } : item));
  await writeJournal(folder, { ...record, items: rest });
}

const NOTHING = { before: null, after: null } as const;

function isNothing({ before, after }: JournalItem): boolean {
  return before === null && after === null;
}
