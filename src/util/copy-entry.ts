/** Copies single entries between two trees: contents, permissions, times and, as root, owners. It follows no links. */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  lchownSync,
  mkdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from "node:fs";
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "./byte-path.ts";
import { bytesOf, pathText } from "./byte-path.ts";
import type { CopyThreads } from "./copy-thread.ts";
import { errnoOf } from "./errno.ts";
import { lookAt, openFile, writtenAt } from "./file-tree.ts";
import type { TreeEntry } from "./file-tree.ts";
import type { FolderHandle, FolderPath } from "./folder-handle.ts";

/** Whether the file system shares contents between copies; undefined until the first file was tried. */
export interface Cloning {
  clones: boolean | undefined;
}

const CANNOT_CLONE: ReadonlySet<string> = new Set([
  "ENOTSUP",
  "EOPNOTSUPP",
  "EXDEV",
  "EINVAL",
  "ENOTTY",
  "ENOSYS",
]);

const PLAIN = constants.COPYFILE_EXCL;
const CLONED = constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL;

/** An open file, as whatever copies by a path takes it: what stands at its name by now is none of the copy's. */
const pathOf = (fd: number): string => `/proc/self/fd/${fd}`;

/** False where no regular file stands. */
function copyContents(from: FolderHandle, to: FolderHandle, name: BytePath, cloning: Cloning): boolean {
  const fd = openFile(from, name);
  if (fd === undefined) return false;
  try {
    copyOpened(pathOf(fd), to.at(name), cloning);
    return true;
  } finally {
    closeSync(fd);
  }
}

function copyOpened(source: string, target: FolderPath, cloning: Cloning): void {
  if (cloning.clones !== false) {
    try {
      copyFileSync(source, target, CLONED);
      cloning.clones = true;
      return;
    } catch (thrown) {
      if (!CANNOT_CLONE.has(errnoOf(thrown) ?? "")) throw thrown;
      // One that is on a further file system says nothing of the others.
      cloning.clones ??= false;
    }
    removeFile(target);
  }
  copyFileSync(source, target, PLAIN);
}

function removeFile(path: FolderPath): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENOENT") throw thrown;
  }
}

/** Owner first: changing it takes special permission bits away. */
function giveTo(path: FolderPath, { uid, gid }: Pick<TreeEntry, "uid" | "gid">): void {
  if (process.getuid?.() === 0) chownSync(path, uid, gid);
}

/** What a folder is to be like once everything in it is made. */
export function finishFolder(folder: FolderHandle, name: BytePath, like: TreeEntry): void {
  const path = folder.at(name);
  giveTo(path, like);
  chmodSync(path, like.mode);
  setTime(path, like);
}

const secondsOf = (like: TreeEntry): number => writtenAt(like) / 1e9;

function setTime(path: FolderPath, like: TreeEntry): void {
  utimesSync(path, secondsOf(like), secondsOf(like));
}

/** Open to its owner alone until `finishFolder`. */
export function makeFolder(folder: FolderHandle, name: BytePath): void {
  mkdirSync(folder.at(name), { mode: 0o700 });
}

export function makeLink(folder: FolderHandle, name: BytePath, link: TreeEntry): void {
  symlinkSync(bytesOf(link.target ?? ""), folder.at(name));
  if (process.getuid?.() === 0) lchownSync(folder.at(name), link.uid, link.gid);
}

export interface CopiedFile {
  /** What it was when it was copied. */
  readonly base: TreeEntry;
  /** Sign of the copy. */
  readonly mine: string;
}

/** Of a copy that has its times. Undefined where the file is no longer what it was before its contents were copied. */
function seal(from: FolderHandle, to: FolderHandle, name: BytePath, base: TreeEntry): CopiedFile | undefined {
  if (lookAt(from, name)?.sign !== base.sign) return undefined;
  let made = lookAt(to, name);
  const owned = process.getuid?.() !== 0 || (made?.uid === base.uid && made.gid === base.gid);
  if (!owned || made?.mode !== base.mode) {
    giveTo(to.at(name), base);
    chmodSync(to.at(name), base.mode);
    made = lookAt(to, name);
  }
  return { base, mine: made?.sign ?? "" };
}

const ATTEMPTS = 5;

/** What opening a name answers where its file is gone, or a link or a socket stands in its place. */
const NO_FILE: ReadonlySet<string> = new Set(["ENOENT", "ELOOP", "ENXIO"]);

/**
 * Copies a file. One that changes meanwhile is copied again; undefined when it is no file any more, and then none of it is
 * left. `found` is what it was just now, where nothing stands in its place yet.
 */
export function copyFile(
  from: FolderHandle,
  to: FolderHandle,
  name: BytePath,
  cloning: Cloning,
  found?: TreeEntry,
): CopiedFile | undefined {
  let made: CopiedFile | undefined;
  try {
    made = copyUnchanged(from, to, name, cloning, found);
  } finally {
    if (made === undefined) removeFile(to.at(name));
  }
  return made;
}

function copyUnchanged(
  from: FolderHandle,
  to: FolderHandle,
  name: BytePath,
  cloning: Cloning,
  found: TreeEntry | undefined,
): CopiedFile | undefined {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const first = attempt === 1 ? found : undefined;
    const before = first ?? lookAt(from, name);
    if (before?.kind !== "file") return undefined;
    if (first === undefined) removeFile(to.at(name));
    try {
      if (!copyContents(from, to, name, cloning)) continue;
      setTime(to.at(name), before);
    } catch (thrown) {
      // It is looked at again.
      if (NO_FILE.has(errnoOf(thrown) ?? "")) continue;
      throw thrown;
    }
    const copied = seal(from, to, name, before);
    if (copied !== undefined) return copied;
  }
  throw new SandkeepError(`${pathText(name)} changes faster than it can be copied`, {
    code: "STAGE_SOURCE_CHANGES",
    kind: "transient",
    hint: "try again when nothing writes to the workspace",
  });
}

export interface FoundFile {
  readonly name: BytePath;
  /** What it was just now. */
  readonly entry: TreeEntry;
}

/** The same of files of one folder where none stands yet; others get their turn while their contents go. */
export async function copyFiles(
  from: FolderHandle,
  to: FolderHandle,
  found: readonly FoundFile[],
  cloning: Cloning,
  threads: CopyThreads,
): Promise<readonly (readonly [BytePath, CopiedFile])[]> {
  const files = found.map(({ name, entry }) => {
    return { from: from.at(name), to: to.at(name), entry, written: secondsOf(entry) };
  });
  const copied = await threads.copy({ files, mode: cloning.clones === true ? CLONED : PLAIN });
  return found.flatMap(({ name, entry }, at) => {
    const mine = copied[at] ?? "";
    const made = mine === "" ? copyFile(from, to, name, cloning) : { base: entry, mine };
    return made === undefined ? [] : [[name, made] as const];
  });
}
