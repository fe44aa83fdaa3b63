/** Packs files of this machine into a tar archive, as it is read: nothing of it is ever whole in memory. */
import { createHash } from "node:crypto";
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
import { tarHeader, tarPadding } from "./tar-header.ts";

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

/** Entries of an archive, without its end. What is gone by now is left out; folders stand before what is in them. */
export function* packEntries(
  root: FolderHandle,
  entries: Iterable<ToPack>,
  prefix: BytePath,
  packed?: (path: BytePath, packed: Packed) => void,
): Generator<Buffer> {
  using folders = new Parents(root);
  for (const each of entries) {
    const { path, entry } = each;
    if (entry.kind === "other") continue;
    const { kind, uid, gid, target } = entry;
    const mtime = Number(entry.sign.split(":")[2] ?? 0) / 1e9;
    const mode = each.mode ?? (kind === "link" ? 0o777 : entry.mode);
    const to = target === undefined ? {} : { target };
    const head = { path: prefix + path, kind, mode, mtime, uid, gid, ...to };
    if (kind !== "file") {
      yield tarHeader({ ...head, size: 0 });
      packed?.(path, { entry, sha256: "", still: true });
      continue;
    }
    const folder = folders.of(path);
    const fd = folder === undefined ? undefined : openFile(folder, nameOf(path));
    if (fd === undefined) continue;
    try {
      yield* packFile(fd, head, (sha256, still) =>
        packed?.(path, { entry, sha256, still: still === entry.sign }),
      );
    } finally {
      closeSync(fd);
    }
  }
}

function* packFile(
  fd: number,
  head: Omit<TarHead, "size">,
  packed: (sha256: string, sign: string) => void,
): Generator<Buffer> {
  const hash = createHash("sha256");
  const { size } = fstatSync(fd);
  const header = tarHeader({ ...head, size });
  if (size <= SMALL) yield wholeFile(fd, header, size, hash);
  else {
    yield header;
    for (let left = size; left > 0;) {
      const chunk = filled(fd, Math.min(left, CHUNK));
      hash.update(chunk);
      left -= chunk.length;
      yield chunk;
    }
    yield tarPadding(size);
  }
  packed(hash.digest("hex"), signOf(fstatSync(fd, { bigint: true })));
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

/** One buffer for all of it. */
function wholeFile(fd: number, header: Buffer, size: number, hash: ReturnType<typeof createHash>): Buffer {
  const padding = tarPadding(size).length;
  const bytes = Buffer.alloc(header.length + size + padding);
  header.copy(bytes);
  fill(fd, bytes.subarray(header.length, header.length + size));
  hash.update(bytes.subarray(header.length, header.length + size));
  return bytes;
}

function filled(fd: number, size: number): Buffer {
  const chunk = Buffer.alloc(size);
  fill(fd, chunk);
  return chunk;
}

/** What is missing of a file that became shorter stays empty: its size has been told already. */
function fill(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) {
    const read = readSync(fd, bytes, at, bytes.length - at, null);
    if (read === 0) return;
    at += read;
  }
}

/** Small pieces as large ones; others get their turn in between. */
export async function* coalesced(pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for (const piece of pieces) {
    held.push(piece);
    size += piece.length;
    if (size < CHUNK) continue;
    yield held.length === 1 ? piece : Buffer.concat(held, size);
    [held, size] = [[], 0];
    await breathe();
  }
  if (size > 0) yield Buffer.concat(held, size);
}
