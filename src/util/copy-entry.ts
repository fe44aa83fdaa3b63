/** Copies single entries between two trees: contents, permissions, times and, as root, owners. It follows no links. */
import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from "node:fs";
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "./byte-path.ts";
import { bytesOf, pathText } from "./byte-path.ts";
import { errnoOf } from "./errno.ts";
import { lookAt } from "./file-tree.ts";
import type { TreeEntry } from "./file-tree.ts";
import type { FolderHandle } from "./folder-handle.ts";

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

function copyContents(source: Buffer, target: Buffer, cloning: Cloning): void {
  if (cloning.clones !== false) {
    try {
      copyFileSync(source, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
      cloning.clones = true;
      return;
    } catch (thrown) {
      if (!CANNOT_CLONE.has(errnoOf(thrown) ?? "")) throw thrown;
      // One that is on a further file system says nothing of the others.
      cloning.clones ??= false;
    }
    removeFile(target);
  }
  copyFileSync(source, target, constants.COPYFILE_EXCL);
}

function removeFile(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENOENT") throw thrown;
  }
}

/** Owner first: changing it takes special permission bits away. */
function giveTo(path: Buffer, { uid, gid }: Pick<TreeEntry, "uid" | "gid">): void {
  if (process.getuid?.() === 0) chownSync(path, uid, gid);
}

/** What a folder is to be like once everything in it is made. */
export function finishFolder(folder: FolderHandle, name: BytePath, like: TreeEntry, at?: Times): void {
  const path = folder.at(name);
  giveTo(path, like);
  chmodSync(path, like.mode);
  if (at !== undefined) utimesSync(path, at.atime, at.mtime);
}

export interface Times {
  readonly atime: number;
  readonly mtime: number;
}

export function timesOf(folder: FolderHandle, name: BytePath): Times {
  const { atimeMs, mtimeMs } = lstatSync(folder.at(name));
  return { atime: atimeMs / 1000, mtime: mtimeMs / 1000 };
}

/** Open to its owner alone until `finishFolder`. */
export function makeFolder(folder: FolderHandle, name: BytePath): void {
  mkdirSync(folder.at(name), { mode: 0o700 });
}

export function makeLink(folder: FolderHandle, name: BytePath, link: TreeEntry): void {
  symlinkSync(bytesOf(link.target ?? ""), folder.at(name));
  if (process.getuid?.() === 0) lchownSync(folder.at(name), link.uid, link.gid);
}

const ATTEMPTS = 5;

/**
 * Copies a file, and answers what it was when it was copied. One that changes meanwhile is copied again; undefined
 * when it is no file any more.
 */
export function copyFile(
  from: FolderHandle,
  to: FolderHandle,
  name: BytePath,
  cloning: Cloning,
): TreeEntry | undefined {
  let before = lookAt(from, name);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    if (before?.kind !== "file") return undefined;
    const target = to.at(name);
    removeFile(target);
    try {
      copyContents(from.at(name), target, cloning);
    } catch (thrown) {
      if (errnoOf(thrown) === "ENOENT") return undefined;
      throw thrown;
    }
    const after = lookAt(from, name);
    if (after?.sign === before.sign) {
      giveTo(target, before);
      chmodSync(target, before.mode);
      const { atime, mtime } = timesOf(from, name);
      utimesSync(target, atime, mtime);
      return before;
    }
    before = after;
  }
  throw new SandkeepError(`${pathText(name)} changes faster than it can be copied`, {
    code: "STAGE_SOURCE_CHANGES",
    kind: "transient",
    hint: "try again when nothing writes to the workspace",
  });
}
