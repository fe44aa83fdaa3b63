/** What stands in a tree of files, looked at through folder handles only: links are entries and never ways. */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, readlinkSync } from "node:fs";
import { chmodSync, rmdirSync, unlinkSync } from "node:fs";
import { setImmediate as breathe } from "node:timers/promises";
import type { BytePath } from "./byte-path.ts";
import { joinBytes } from "./byte-path.ts";
import { errnoOf } from "./errno.ts";
import { FolderHandle, inParent } from "./folder-handle.ts";

export interface TreeEntry {
  /** `other`: a pipe, a socket or a device. */
  readonly kind: "file" | "folder" | "link" | "other";
  /** Permission bits; 0 for links, which have none that matter. */
  readonly mode: number;
  /** Bytes of a file's contents. */
  readonly size: number;
  /** Changes with whatever happens to a file: inode, size, and both times in nanoseconds. */
  readonly sign: string;
  /** Where a link leads, as it is written. */
  readonly target?: BytePath;
  readonly uid: number;
  readonly gid: number;
}

/** When a file's contents, or a folder's names, were last written: nanoseconds, as near as a number comes to them. */
export function writtenAt({ sign }: TreeEntry): number {
  return Number(sign.split(":")[2] ?? 0);
}

/** When anything of an entry was last changed; nobody can set that. */
export function changedAt({ sign }: TreeEntry): number {
  return Number(sign.split(":")[3] ?? 0);
}

export type Tree = ReadonlyMap<BytePath, TreeEntry>;

const MODE = 0o7777;

export function signOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

/** Undefined where nothing of that name is. */
export function lookAt(folder: FolderHandle, name: BytePath, path = folder.at(name)): TreeEntry | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const { size } = stat;
  const common = {
    mode: Number(stat.mode) & MODE,
    size: 0,
    sign: signOf(stat),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
  };
  if (stat.isFile()) return { kind: "file", ...common, size: Number(size) };
  if (stat.isDirectory()) return { kind: "folder", ...common };
  if (!stat.isSymbolicLink()) return { kind: "other", ...common };
  try {
    return { kind: "link", ...common, mode: 0, target: readlinkSync(path, { encoding: "latin1" }) };
  } catch (thrown) {
    // Replaced between the two looks: then it was no longer there as a link.
    if (errnoOf(thrown) === "ENOENT" || errnoOf(thrown) === "EINVAL") return lookAt(folder, name);
    throw thrown;
  }
}

/** What stands at a path of the tree; nothing where a folder on the way is none. */
export function entryAt(root: FolderHandle, path: BytePath): TreeEntry | undefined {
  return inParent(root, path, lookAt);
}

/** So many entries are looked at before others get their turn. */
const BREATH = 2_000;

export interface WalkOptions {
  /** Called for each entry, a folder before what is in it; `false` leaves out what is below. */
  readonly visit: (path: BytePath, entry: TreeEntry, folder: FolderHandle, name: BytePath) => boolean | void;
  /** Called for each folder that was entered, after what is in it. */
  readonly leave?: (path: BytePath, entry: TreeEntry, folder: FolderHandle, name: BytePath) => void;
}

/** In order of their bytes, name by name. */
async function walk(root: FolderHandle, options: WalkOptions, at: BytePath = ""): Promise<void> {
  let seen = 0;
  const go = async (folder: FolderHandle, path: BytePath): Promise<void> => {
    for (const name of folder.names()) {
      const entry = lookAt(folder, name);
      if (entry === undefined) continue;
      const below = joinBytes(path, name);
      const wanted = options.visit(below, entry, folder, name);
      seen += 1;
      if (seen % BREATH === 0) await breathe();
      if (entry.kind !== "folder" || wanted === false) continue;
      using child = folder.child(name);
      if (child === undefined) continue;
      await go(child, below);
      options.leave?.(below, entry, folder, name);
    }
  };
  await go(root, at);
}

/** Everything below a folder of this machine, but for what `skip` names (with all below it). */
export async function readTree(root: string, skip: (path: BytePath) => boolean = () => false): Promise<Tree> {
  using folder = FolderHandle.open(root);
  const tree = new Map<BytePath, TreeEntry>();
  await walk(folder, {
    visit(path, entry) {
      if (skip(path)) return false;
      tree.set(path, entry);
      return true;
    },
  });
  return tree;
}

/** Of these entries, whose folders are not left out, those that are, with all below them. */
export type LeftOut = (
  level: ReadonlyMap<BytePath, Pick<TreeEntry, "kind">>,
) => Promise<ReadonlySet<BytePath>>;

/** Everything below a folder but for what is left out, which is not entered. Folders stand before what is in them. */
export async function readKept(root: FolderHandle, leftOut: LeftOut): Promise<Tree> {
  const found = new Map<BytePath, TreeEntry>();
  let folders: readonly BytePath[] = [""];
  while (folders.length > 0) {
    const level = new Map<BytePath, TreeEntry>();
    for (const at of folders) {
      readFolder(root, at, level);
      if (level.size % BREATH === 0) await breathe();
    }
    const out = await leftOut(level);
    const next: BytePath[] = [];
    for (const [path, entry] of level) {
      if (out.has(path)) continue;
      found.set(path, entry);
      if (entry.kind === "folder") next.push(path);
    }
    folders = next;
  }
  return new Map([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function readFolder(root: FolderHandle, at: BytePath, into: Map<BytePath, TreeEntry>): void {
  const take = (folder: FolderHandle): void => {
    for (const name of folder.names()) {
      const entry = lookAt(folder, name);
      if (entry !== undefined) into.set(joinBytes(at, name), entry);
    }
  };
  if (at === "") return take(root);
  inParent(root, at, (parent, name) => {
    using folder = parent.child(name);
    if (folder !== undefined) take(folder);
  });
}

/** Removes an entry and all below it; nothing there is success. Read-only folders are no obstacle to their owner. */
export function removeEntry(folder: FolderHandle, name: BytePath): void {
  try {
    unlinkSync(folder.at(name));
    return;
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === "ENOENT") return;
    if (errno !== "EISDIR" && errno !== "EPERM") throw thrown;
  }
  const stat = lookAt(folder, name);
  if (stat?.kind === "folder" && (stat.mode & 0o700) !== 0o700) chmodSync(folder.at(name), 0o700);
  {
    using child = folder.child(name);
    if (child === undefined) return;
    for (const each of child.names()) removeEntry(child, each);
  }
  try {
    rmdirSync(folder.at(name));
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENOENT") throw thrown;
  }
}

const CHUNK = 256 * 1024;

const FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Opens a regular file: no link is followed and a pipe in its place is not waited for. Undefined where one is not. */
export function openFile(folder: FolderHandle, name: BytePath): number | undefined {
  const fd = openSync(folder.at(name), FILE);
  let isFile = false;
  try {
    isFile = fstatSync(fd).isFile();
  } finally {
    if (!isFile) closeSync(fd);
  }
  return isFile ? fd : undefined;
}

/** The chunks of a regular file; none of its links is followed and a pipe in its place is not waited for. */
export function* chunksOf(folder: FolderHandle, name: BytePath): Generator<Buffer> {
  const fd = openFile(folder, name);
  if (fd === undefined) return;
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(CHUNK);
      const read = readSync(fd, buffer, 0, CHUNK, null);
      if (read === 0) return;
      yield buffer.subarray(0, read);
    }
  } finally {
    closeSync(fd);
  }
}

/** SHA-256 of a file's contents, in hex. */
export function hashOf(folder: FolderHandle, name: BytePath): string {
  const hash = createHash("sha256");
  for (const chunk of chunksOf(folder, name)) hash.update(chunk);
  return hash.digest("hex");
}

/** Contents of a regular file; undefined where something else is, or more bytes than `most` are. */
export function contentsOf(folder: FolderHandle, name: BytePath, most: number): Buffer | undefined {
  const chunks: Buffer[] = [];
  let bytes = 0;
  if (lookAt(folder, name)?.kind !== "file") return undefined;
  for (const chunk of chunksOf(folder, name)) {
    bytes += chunk.length;
    if (bytes > most) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Contents of a file of the tree; undefined where no file is. */
export function contentsAt(root: FolderHandle, path: BytePath): Buffer | undefined {
  return inParent(root, path, (folder, name) => contentsOf(folder, name, Infinity));
}
