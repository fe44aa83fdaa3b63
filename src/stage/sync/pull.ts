/**
 * In: what was done there, and the workspace there, open. Out: the same here, all of it or nothing: it is fetched whole and
 * held against what was told before anything is touched, and committed as an applied stage is.
 */
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { SandkeepError } from "../../errors.ts";
import type { BytePath } from "../../util/byte-path.ts";
import { pathText } from "../../util/byte-path.ts";
import { contentsAt, entryAt } from "../../util/file-tree.ts";
import { FolderHandle } from "../../util/folder-handle.ts";
import type { OpenWorkspace, WorkspaceEntry } from "../../util/open-workspace.ts";
import type { ReadTarEntry } from "../../util/read-tar.ts";
import { readTar } from "../../util/read-tar.ts";
import { plainPath } from "../../util/script-workspace.ts";
import { commitOrUndo, keep, ownerOf, parentOwner, undo } from "../carry-out.ts";
import { commit } from "../commit.ts";
import type { Journal, JournalItem, Saved } from "../journal.ts";
import { beginJournal, blobPath, dropJournal, newJournalFolder, readJournal, underWay } from "../journal.ts";
import type { SyncLook } from "./look.ts";

export interface Pulling {
  /** The workspace here. */
  readonly root: string;
  /** Where its journal is kept. */
  readonly dir: string;
  readonly id: string;
  readonly now: number;
  readonly tell: (bytes: number) => void;
}

export async function pull(open: OpenWorkspace, look: SyncLook, how: Pulling): Promise<void> {
  const { root, dir, id, now } = how;
  const folder = await newJournalFolder(dir);
  const items: JournalItem[] = [];
  {
    using real = FolderHandle.open(root);
    for (const [n, { path, mine }] of look.pull.entries()) {
      const here = entryAt(real, path);
      if (!isAsCompared(look.here.get(path), here?.kind)) throw moved(path);
      const before = keep(real, path, here, blobPath(folder, "before", n), ownerOf(here));
      if (
        before?.sha256 !== undefined &&
        before?.sha256 !== null &&
        before.sha256 !== look.here.get(path)?.sha256
      )
        throw moved(path);
      const owner = here === undefined ? parentOwner(real, path) : ownerOf(here);
      const special = mine?.kind === "folder" ? (here?.mode ?? 0) & 0o7000 : 0;
      const after = savedOf(mine === undefined ? undefined : look.there.get(path), owner, special);
      items.push({ path, before, after });
    }
  }
  await fetchInto(open, items, folder, how);
  const journal: Journal = { v: 1, id, phase: "committing", direction: "apply", of: null, at: now, items };
  await beginJournal(folder, journal);
  await commitOrUndo({ dir, source: root }, journal);
  await dropJournal(dir);
}

function isAsCompared(known: WorkspaceEntry | undefined, kind: string | undefined): boolean {
  return known?.kind === kind;
}

function savedOf(entry: WorkspaceEntry | undefined, owner: Saved["owner"], special: number): Saved | null {
  if (entry === undefined || entry.kind === "other") return null;
  const { kind, size, sha256, target } = entry;
  const mode = kind === "folder" ? (entry.mode & 0o777) | special : entry.mode;
  return { kind, mode, size, sha256: kind === "file" ? sha256 : null, target: target ?? null, owner };
}

/** Contents of all files that come, each of them as it was told. */
async function fetchInto(
  open: OpenWorkspace,
  items: readonly JournalItem[],
  folder: string,
  { root: source, tell }: Pulling,
): Promise<void> {
  const wanted = new Map<BytePath, number>();
  for (const [n, { path, after }] of items.entries()) if (after?.kind === "file") wanted.set(path, n);
  if (wanted.size === 0) return;
  using root = FolderHandle.open(source);
  const seconds: (readonly [BytePath, BytePath])[] = [];
  const kept = new Map<BytePath, string>();
  for await (const entry of readTar(await open.read([...wanted.keys()]), "the workspace")) {
    const path = plainPath(entry.path);
    const n = wanted.get(path);
    const item = n === undefined ? undefined : items[n];
    if (n === undefined || item?.after === null || item === undefined) continue;
    if (entry.kind === "second") seconds.push([path, plainPath(entry.target)]);
    if (entry.kind !== "file") continue;
    const blob = blobPath(folder, "after", n);
    await write(entry, blob, item.after, tell);
    kept.set(path, blob);
    wanted.delete(path);
  }
  for (const [path, first] of seconds) {
    const n = wanted.get(path);
    if (n === undefined) continue;
    const bytes = kept.has(first) ? readFileSync(kept.get(first) ?? "") : contentsAt(root, first);
    if (bytes === undefined || sha256Of(bytes) !== items[n]?.after?.sha256) continue;
    writeFileSync(blobPath(folder, "after", n), bytes, { mode: 0o600, flush: true });
    wanted.delete(path);
  }
  const [missing] = wanted.keys();
  if (missing !== undefined) throw changedThere(missing);
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Never more of it than was told. */
async function write(
  entry: ReadTarEntry,
  blob: string,
  { size, sha256 }: Saved,
  tell: (bytes: number) => void,
): Promise<void> {
  if (entry.size !== size) throw changedThere(plainPath(entry.path));
  const hash = createHash("sha256");
  const fd = openSync(blob, "wx", 0o600);
  try {
    for await (const chunk of entry.contents) {
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
      tell(chunk.length);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (hash.digest("hex") !== sha256) throw changedThere(plainPath(entry.path));
}

/** What an earlier pull left half done: finished where that is possible, else undone. */
export async function recoverPull({ dir, root }: Pick<Pulling, "dir" | "root">): Promise<void> {
  const journal = await readJournal(underWay(dir));
  if (journal === undefined) return;
  const place = { dir, source: root };
  if (journal.phase === "undoing") return await undo(place, journal);
  if (journal.phase === "committing") {
    try {
      await commit(root, underWay(dir), journal);
    } catch {
      return await undo(place, journal);
    }
  }
  await dropJournal(dir);
}

function moved(path: BytePath): SandkeepError {
  return transient(`${pathText(path)} changed here while it was compared`);
}

function changedThere(path: BytePath): SandkeepError {
  return transient(`${pathText(path)} changed while it was fetched`);
}

function transient(message: string): SandkeepError {
  return new SandkeepError(`${message}; nothing was changed here`, {
    code: "SYNC_SOURCE_CHANGES",
    kind: "transient",
    hint: "try again when nothing writes to the workspace",
    exitCode: 75,
  });
}
