/**
 * In: a journal and the workspace. Out: the workspace as the journal's `after` says (or, undoing, its `before`). Each
 * step leaves what is done already, so that a commit that was killed anywhere is carried on by doing it again. It never
 * follows a link below the workspace, and writes over nothing that the journal does not know.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lchownSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { setImmediate as breathe } from "node:timers/promises";
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "../util/byte-path.ts";
import { bytesOf, parentOf, pathText } from "../util/byte-path.ts";
import { errnoOf } from "../util/errno.ts";
import { hashOf, lookAt } from "../util/file-tree.ts";
import type { FolderPath } from "../util/folder-handle.ts";
import { FolderHandle, inParent } from "../util/folder-handle.ts";
import type { Journal, JournalItem, Saved, Side } from "./journal.ts";
import { blobPath } from "./journal.ts";

/** Something in the workspace is neither what it was nor what it is to be: somebody else works there. */
export class Intervened extends SandkeepError {
  constructor(path: BytePath, what: string) {
    super(`${pathText(path)} ${what} while the changes were applied`, {
      code: "STAGE_INTERVENED",
      kind: "transient",
      hint: "nothing was applied; look at `sandkeep stage diff` and try again",
    });
  }
}

interface Work {
  readonly root: FolderHandle;
  /** Of the journal's contents. */
  readonly folder: string;
  readonly id: string;
  /** Where to: `after`, or `before` when it is undone. */
  readonly to: Side;
  readonly items: readonly (JournalItem & { readonly n: number })[];
  /** Undoing leaves alone what somebody else has changed since. */
  readonly leave?: (path: BytePath) => void;
}

const wanted = (work: Work, item: JournalItem): Saved | null => item[work.to];
const original = (work: Work, item: JournalItem): Saved | null =>
  item[work.to === "after" ? "before" : "after"];

export interface Committed {
  /** Undoing: what is no longer as the apply left it, and therefore stays. */
  readonly left: readonly BytePath[];
}

/** Where each of its steps ends, tests may cut it short. */
export type StepDone = (step: string, path: BytePath) => void;

export async function commit(
  source: string,
  folder: string,
  journal: Journal,
  stepDone: StepDone = () => undefined,
): Promise<Committed> {
  using root = FolderHandle.open(source);
  const left = new Set<BytePath>();
  const to = journal.phase === "undoing" ? "before" : "after";
  const items = journal.items.map((item, n) => ({ ...item, n }));
  const leave = (path: BytePath): void => void left.add(path);
  const work: Work = { root, folder, id: journal.id, to, items, ...(to === "before" ? { leave } : {}) };
  const inwards = items.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const outwards = inwards.toReversed();
  let steps = 0;
  const each = async (
    name: string,
    order: readonly (JournalItem & { readonly n: number })[],
    step: (item: JournalItem & { readonly n: number }) => boolean,
  ): Promise<void> => {
    for (const item of order) {
      if (left.has(item.path) || !step(item)) continue;
      stepDone(name, item.path);
      steps += 1;
      if (steps % 50 === 0) await breathe();
    }
  };
  await each("tidy", inwards, (item) => tidy(work, item));
  await each("open", inwards, (item) => openFolder(work, item));
  await each("delete", outwards, (item) => takeAway(work, item));
  await each("mkdir", inwards, (item) => makeFolders(work, item));
  await each("write", inwards, (item) => put(work, item));
  await each("mode", outwards, (item) => setMode(work, item));
  syncFolders(work);
  return { left: [...left].toSorted() };
}

/** Whether an entry is one side of the journal's, contents and all. */
export function isSide(folder: FolderHandle, name: BytePath, saved: Saved | null): boolean {
  const entry = lookAt(folder, name);
  if (entry === undefined || saved === null) return entry === undefined && saved === null;
  if (entry.kind !== saved.kind) return false;
  if (entry.kind === "link") return entry.target === (saved.target ?? undefined);
  // While a commit is under way a folder may be open to let it in.
  if (entry.kind === "folder") return true;
  if (entry.mode !== saved.mode) return false;
  return entry.size === saved.size && hashOf(folder, name) === saved.sha256;
}

/** True when it may go on; throws, or when undoing leaves it, where somebody else changed it. */
function isOurs(work: Work, item: JournalItem, folder: FolderHandle, name: BytePath): boolean {
  const [from, to] = [original(work, item), wanted(work, item)];
  if (isSide(folder, name, from) || isSide(folder, name, to)) return true;
  // What turns into something else is nothing for a moment.
  if (from?.kind !== to?.kind && lookAt(folder, name) === undefined) return true;
  if (work.leave === undefined) throw new Intervened(item.path, "changed");
  work.leave(item.path);
  return false;
}

const temporaryOf = (work: Work, n: number): BytePath => `.sandkeep-${work.id}-${n}`;

/** What a killed commit wrote and did not rename any more would keep its folder from being removed. */
function tidy(work: Work, { path, n }: JournalItem & { readonly n: number }): boolean {
  return inParent(work.root, path, (folder) => unlinkIfThere(folder, temporaryOf(work, n))) ?? false;
}

/** A folder that is closed to its owner lets nothing be taken out of it or put into it; its own mode comes last. */
function openFolder(work: Work, item: JournalItem): boolean {
  if (original(work, item)?.kind !== "folder") return false;
  return (
    inParent(work.root, item.path, (folder, name) => {
      const entry = lookAt(folder, name);
      if (entry?.kind !== "folder" || (entry.mode & 0o700) === 0o700) return false;
      chmodSync(folder.at(name), entry.mode | 0o700);
      return true;
    }) ?? false
  );
}

/** What makes way: deleted, or of another kind than what comes. A file that another one replaces stays until then. */
function takeAway(work: Work, item: JournalItem): boolean {
  const [from, to] = [original(work, item), wanted(work, item)];
  if (from === null || from.kind === to?.kind) return false;
  return (
    inParent(work.root, item.path, (folder, name) => {
      const entry = lookAt(folder, name);
      if (entry === undefined || entry.kind === to?.kind) return false;
      if (!isOurs(work, item, folder, name)) return false;
      try {
        if (entry.kind === "folder") rmdirSync(folder.at(name));
        else unlinkSync(folder.at(name));
      } catch (thrown) {
        if (errnoOf(thrown) === "ENOENT") return false;
        if (errnoOf(thrown) !== "ENOTEMPTY" && errnoOf(thrown) !== "EEXIST") throw thrown;
        if (work.leave === undefined) throw new Intervened(item.path, "got new entries");
        work.leave(item.path);
      }
      return true;
    }) ?? false
  );
}

function makeFolders(work: Work, item: JournalItem): boolean {
  const to = wanted(work, item);
  if (to?.kind !== "folder") return false;
  return within(work, item, (folder, name) => {
    const entry = lookAt(folder, name);
    if (entry?.kind === "folder") return false;
    if (entry !== undefined && !isOurs(work, item, folder, name)) return false;
    mkdirSync(folder.at(name), { mode: 0o700 });
    own(folder.at(name), to);
    return true;
  });
}

/** Does something in the folder that holds the item, which must be there. */
function within(
  work: Work,
  item: JournalItem,
  step: (folder: FolderHandle, name: BytePath) => boolean,
): boolean {
  const done = inParent(work.root, item.path, step);
  if (done !== undefined) return done;
  if (work.leave === undefined) throw new Intervened(item.path, "lost its folder");
  work.leave(item.path);
  return false;
}

/** A whole file or link under a name of our own, then renamed: nobody ever sees half of one. */
function put(work: Work, item: JournalItem & { readonly n: number }): boolean {
  const to = wanted(work, item);
  if (to === null || to.kind === "folder") return false;
  return within(work, item, (folder, name) => {
    const temporary = temporaryOf(work, item.n);
    if (isSide(folder, name, to)) return false;
    if (!isOurs(work, item, folder, name)) return false;
    if (to.kind === "link") {
      symlinkSync(bytesOf(to.target ?? ""), folder.at(temporary));
      own(folder.at(temporary), to);
    } else writeFile(folder.at(temporary), blobPath(work.folder, work.to, item.n), to);
    renameSync(folder.at(temporary), folder.at(name));
    return true;
  });
}

function unlinkIfThere(folder: FolderHandle, name: BytePath): boolean {
  try {
    unlinkSync(folder.at(name));
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return false;
    throw thrown;
  }
}

function writeFile(path: FolderPath, blob: string, saved: Saved): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(path, flags, 0o600);
  try {
    copyInto(fd, blob);
    const { owner } = saved;
    if (owner !== null && process.getuid?.() === 0) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, saved.mode);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const CHUNK = 256 * 1024;

function copyInto(fd: number, blob: string): void {
  const from = openSync(blob, constants.O_RDONLY);
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let read = readSync(from, buffer); read > 0; read = readSync(from, buffer))
      for (let at = 0; at < read;) at += writeSync(fd, buffer, at, read - at);
  } finally {
    closeSync(from);
  }
}

function own(path: FolderPath, { owner }: Saved): void {
  if (owner !== null && process.getuid?.() === 0) lchownSync(path, owner.uid, owner.gid);
}

function setMode(work: Work, item: JournalItem): boolean {
  const to = wanted(work, item);
  if (to?.kind !== "folder") return false;
  return (
    inParent(work.root, item.path, (folder, name) => {
      const entry = lookAt(folder, name);
      if (entry?.kind !== "folder" || entry.mode === to.mode) return false;
      chmodSync(folder.at(name), to.mode);
      return true;
    }) ?? false
  );
}

/** A rename is durable only once its folder is. */
function syncFolders(work: Work): void {
  for (const parent of new Set(work.items.map((item) => parentOf(item.path)))) {
    if (parent === "") work.root.sync();
    else
      inParent(work.root, parent, (folder, name) => {
        using child = folder.child(name);
        child?.sync();
      });
  }
}
