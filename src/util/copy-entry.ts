/** Copies single entries between two trees: contents, permissions, times and, as root, owners. It follows no links. */
import {
  chmodSync,
  chownSync,
  constants,
  copyFile as copyFileLater,
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
import { errnoOf } from "./errno.ts";
import { lookAt, writtenAt } from "./file-tree.ts";
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

function copyContents(source: FolderPath, target: FolderPath, cloning: Cloning): void {
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

function setTime(path: FolderPath, like: TreeEntry): void {
  const seconds = writtenAt(like) / 1e9;
  utimesSync(path, seconds, seconds);
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

/** Undefined where the file is no longer what it was before its contents were copied. */
function seal(from: FolderHandle, to: FolderHandle, name: BytePath, base: TreeEntry): CopiedFile | undefined {
  if (lookAt(from, name)?.sign !== base.sign) return undefined;
  const target = to.at(name);
  setTime(target, base);
  let made = lookAt(to, name);
  const owned = process.getuid?.() !== 0 || (made?.uid === base.uid && made.gid === base.gid);
  if (!owned || made?.mode !== base.mode) {
    giveTo(target, base);
    chmodSync(target, base.mode);
    made = lookAt(to, name);
  }
  return { base, mine: made?.sign ?? "" };
}

const ATTEMPTS = 5;

/** Copies a file. One that changes meanwhile is copied again; undefined when it is no file any more. */
export function copyFile(
  from: FolderHandle,
  to: FolderHandle,
  name: BytePath,
  cloning: Cloning,
): CopiedFile | undefined {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const before = lookAt(from, name);
    if (before?.kind !== "file") return undefined;
    removeFile(to.at(name));
    try {
      copyContents(from.at(name), to.at(name), cloning);
    } catch (thrown) {
      if (errnoOf(thrown) === "ENOENT") return undefined;
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

/** The same of a file where none stands yet; its contents go meanwhile, so that several do at a time. */
export async function copyFileBeside(
  from: FolderHandle,
  to: FolderHandle,
  name: BytePath,
  before: TreeEntry,
  cloning: Cloning,
): Promise<CopiedFile | undefined> {
  // The first file proves what the file system can.
  if (cloning.clones !== undefined) {
    const thrown = await copyMeanwhile(from.at(name), to.at(name), cloning.clones ? CLONED : PLAIN);
    const copied = thrown === null ? seal(from, to, name, before) : undefined;
    if (copied !== undefined) return copied;
  }
  return copyFile(from, to, name, cloning);
}

function copyMeanwhile(source: FolderPath, target: FolderPath, mode: number): Promise<Error | null> {
  return new Promise((resolve) => {
    copyFileLater(source, target, mode, resolve);
  });
}
