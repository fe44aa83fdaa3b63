/** Packs files of this machine into a tar archive, as it is read: nothing of it is ever whole in memory. */
import { createHash, hash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { setImmediate as breathe } from "node:timers/promises";
import type { BytePath } from "./byte-path.ts";
import { parentOf } from "./byte-path.ts";
import { errnoOf } from "./errno.ts";
import type { TreeEntry } from "./file-tree.ts";
import { signOf } from "./file-tree.ts";
import type { FolderHandle } from "./folder-handle.ts";
import { inParent } from "./folder-handle.ts";
import type { TarHead } from "./tar-header.ts";
import { TAR_BLOCK, tarHeader, tarPadding } from "./tar-header.ts";

/** What went into the archive. */
export interface Packed {
  readonly entry: TreeEntry;
  /** Of the bytes that were packed; empty for what is no file. */
  readonly sha256: string;
  /** False for a file that was written to meanwhile. */
  readonly still: boolean;
}

const CHUNK = 512 * 1024;
/** Contents up to here are read at once. */
const SMALL = 64 * 1024;

export interface ToPack {
  readonly path: BytePath;
  /** As it was looked at. */
  readonly entry: TreeEntry;
  /** Permission bits to tell instead of its own. */
  readonly mode?: number;
}

/**
 * Entries of an archive, without its end, in large pieces; others get their turn between any two. What is gone by now is
 * left out; folders stand before what is in them.
 */
export async function* packEntries(
  root: FolderHandle,
  entries: Iterable<ToPack>,
  prefix: BytePath,
  packed?: (path: BytePath, packed: Packed) => void,
): AsyncGenerator<Buffer> {
  using folders = new Parents(root);
  let piece = new Piece();
  for (const each of entries) {
    for (const full of packEntry(folders, each, prefix, packed, () => piece)) {
      if (full.length > 0) yield full;
      piece = new Piece();
      await breathe();
    }
  }
  const rest = piece.taken();
  if (rest.length > 0) yield rest;
}

/** Into a piece; one that is full is given out, and the next one is empty. */
function* packEntry(
  folders: Parents,
  each: ToPack,
  prefix: BytePath,
  packed: ((path: BytePath, packed: Packed) => void) | undefined,
  piece: () => Piece,
): Generator<Buffer> {
  const { path, entry } = each;
  if (entry.kind === "other") return;
  const { kind, uid, gid, size, target } = entry;
  const mtime = Number(entry.sign.split(":")[2] ?? 0) / 1e9;
  const mode = each.mode ?? (kind === "link" ? 0o777 : entry.mode);
  const to = target === undefined ? {} : { target };
  const head = { path: prefix + path, kind, mode, mtime, uid, gid, ...to };
  const header = tarHeader({ ...head, size: kind === "file" ? size : 0 });
  if (kind !== "file") {
    if (piece().room < header.length) yield piece().taken();
    piece().add(header);
    packed?.(path, { entry, sha256: "", still: true });
    return;
  }
  const folder = folders.of(path);
  const fd = folder === undefined ? undefined : openFile(folder, nameOf(path));
  if (fd === undefined) return;
  try {
    let sha256: string | undefined;
    if (size <= SMALL) {
      if (piece().room < header.length + size + TAR_BLOCK) yield piece().taken();
      sha256 = piece().addFile(header, fd, size);
    }
    if (sha256 === undefined) {
      yield piece().taken();
      sha256 = yield* packLarge(fd, head);
    }
    const still = signOf(fstatSync(fd, { bigint: true })) === entry.sign;
    packed?.(path, { entry, sha256, still });
  } finally {
    closeSync(fd);
  }
}

/** As large as it is now. */
function* packLarge(fd: number, head: Omit<TarHead, "size">): Generator<Buffer, string> {
  const digest = createHash("sha256");
  const { size } = fstatSync(fd);
  yield tarHeader({ ...head, size });
  for (let at = 0; at < size;) {
    const chunk = Buffer.alloc(Math.min(size - at, CHUNK));
    fill(fd, chunk, at);
    digest.update(chunk);
    at += chunk.length;
    yield chunk;
  }
  yield tarPadding(size);
  return digest.digest("hex");
}

/** Many small entries in one buffer: one for each would cost more than what is in it. */
class Piece {
  readonly #bytes = Buffer.allocUnsafe(CHUNK);
  #used = 0;

  get room(): number {
    return CHUNK - this.#used;
  }

  taken(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }

  add(bytes: Buffer): void {
    this.#used += bytes.copy(this.#bytes, this.#used);
  }

  /** The hash of what was read; undefined, and nothing added, for a file that is not of this size any more. */
  addFile(header: Buffer, fd: number, size: number): string | undefined {
    const from = this.#used + header.length;
    const end = from + size;
    // One more than there should be: what is longer shows.
    if (readSync(fd, this.#bytes, from, size + 1, 0) !== size) return undefined;
    this.add(header);
    this.#used = end + ((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);
    this.#bytes.fill(0, end, this.#used);
    return hash("sha256", this.#bytes.subarray(from, end), "hex");
  }
}

const nameOf = (path: BytePath): BytePath => path.slice(path.lastIndexOf("/") + 1);

/** The folder of a path, kept open as long as the next ones are in it as well. */
class Parents implements Disposable {
  readonly #root: FolderHandle;
  #at: BytePath = "";
  #open: FolderHandle | undefined;

  constructor(root: FolderHandle) {
    this.#root = root;
  }

  of(path: BytePath): FolderHandle | undefined {
    const above = parentOf(path);
    if (above === "") return this.#root;
    if (above === this.#at && this.#open !== undefined) return this.#open;
    this.#open?.[Symbol.dispose]();
    this.#open = inParent(this.#root, above, (folder, name) => folder.child(name));
    this.#at = above;
    return this.#open;
  }

  [Symbol.dispose](): void {
    this.#open?.[Symbol.dispose]();
  }
}

function openFile(folder: FolderHandle, name: BytePath): number | undefined {
  try {
    return openSync(folder.at(name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (thrown) {
    if (["ENOENT", "ELOOP", "ENXIO"].includes(errnoOf(thrown) ?? "")) return undefined;
    throw thrown;
  }
}

/** What is missing of a file that became shorter stays empty: its size has been told already. */
function fill(fd: number, bytes: Buffer, from: number): void {
  for (let at = 0; at < bytes.length;) {
    const read = readSync(fd, bytes, at, bytes.length - at, from + at);
    if (read === 0) return;
    at += read;
  }
}
