/**
 * In: two open trees and paths. Out: the agent's tree made like the workspace at these paths, and what the index is to
 * say of them. Done again after it was cut short, it ends with the same.
 */
import { chmodSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { BytePath } from "../util/byte-path.ts";
import { joinBytes, parentOf } from "../util/byte-path.ts";
import type { Cloning, FoundFile } from "../util/copy-entry.ts";
import { copyFile, copyFiles, finishFolder, makeFolder, makeLink } from "../util/copy-entry.ts";
import { CopyThreads } from "../util/copy-thread.ts";
import type { TreeEntry } from "../util/file-tree.ts";
import { changedAt, entryAt, lookAt, removeEntry } from "../util/file-tree.ts";
import type { FolderHandle } from "../util/folder-handle.ts";
import { inParent } from "../util/folder-handle.ts";
import type { Crew, OpenFolder } from "./copy-crew.ts";
import { makeCrew, release } from "./copy-crew.ts";
import type { Indexed, StageIndex } from "./index-file.ts";
import type { Stage } from "./stage.ts";
import type { Trees } from "./survey.ts";

/** File systems tell times in steps of at most this many milliseconds: within one, a second write leaves no sign. */
const STEP_MS = 20;

/** Waits until whatever is written from now on has other times than what was written before. */
export async function nextStep(): Promise<void> {
  await sleep(STEP_MS);
}

interface Filling extends Pick<Stage, "skip"> {
  readonly crew: Crew;
  readonly cloning: Cloning;
  readonly index: StageIndex;
  readonly threads: CopyThreads;
}

/** Files that are handed over as one. */
const BATCH = 64;
/** A thread takes as long to begin as some hundred small files do to be copied. */
const WORTH_A_THREAD = 400;
/** Bytes; a larger file is copied by the thread in any case, while others get their turn. */
const LARGE = 1024 * 1024;

/** Copies the whole workspace into an empty folder. Nobody may work there until the next step. */
export async function fillTree(
  { real, mine }: Both,
  skip: Stage["skip"],
  cloning: Cloning,
): Promise<StageIndex> {
  const began = Date.now();
  const crew = makeCrew();
  await using threads = new CopyThreads();
  const index: StageIndex = new Map();
  const filling: Filling = { skip, crew, cloning, index, threads };
  // Whatever fails, the folders stay open until nothing is under way any more.
  await new Promise<void>((resolve) => {
    const root: OpenFolder = { from: real, to: mine, left: 1, finish: resolve };
    void fillFolder(filling, root, "")
      .catch((thrown: unknown) => crew.fail(thrown))
      .then(() => release(root));
  });
  crew.throwIfFailed();
  // What was written within the same step as it was copied may have been written again without a sign of it.
  const since = (began - STEP_MS) * 1e6;
  const fresh = [...index].filter(([, { base }]) => base.kind === "file" && changedAt(base) > since);
  if (fresh.length > 0) await nextStep();
  for (const [path] of fresh) replaceAt({ real, mine }, path, index, cloning);
  return index;
}

async function fillFolder(filling: Filling, folder: OpenFolder, at: BytePath): Promise<void> {
  const { from, to } = folder;
  let files: FoundFile[] = [];
  for (const name of from.names()) {
    const path = joinBytes(at, name);
    if (filling.skip(path)) continue;
    const entry = foundHere(from, name);
    if (entry?.kind === "folder") await enterFolder(filling, folder, { name, path, entry });
    else if (entry?.kind === "file") files.push({ name, entry });
    else if (entry !== undefined) filling.index.set(path, makeHere(to, name, entry));
    if (files.length < BATCH) continue;
    await copyAll(filling, folder, at, files);
    files = [];
  }
  await copyAll(filling, folder, at, files);
}

/** A file is looked at again through the handle once it is copied, and all else is looked at through it. */
function foundHere(from: FolderHandle, name: BytePath): TreeEntry | undefined {
  try {
    const found = lookAt(from, name, from.near(name));
    if (found?.kind === "file") return found;
  } catch {
    // Something else is on the way by now.
  }
  return lookAt(from, name);
}

async function copyAll(
  { cloning, crew, index, threads }: Filling,
  folder: OpenFolder,
  at: BytePath,
  files: readonly FoundFile[],
): Promise<void> {
  const { from, to } = folder;
  const later: FoundFile[] = [];
  for (const file of files) {
    const { name, entry } = file;
    // The first file proves what the file system can.
    const small = index.size < WORTH_A_THREAD && entry.size <= LARGE;
    if (!small && cloning.clones !== undefined) {
      later.push(file);
      continue;
    }
    const copied = copyFile(from, to, name, cloning, entry);
    if (copied !== undefined) index.set(joinBytes(at, name), copied);
  }
  if (later.length === 0) return;
  await crew.take(folder, async () => {
    const copied = await copyFiles(from, to, later, cloning, threads);
    for (const [name, made] of copied) index.set(joinBytes(at, name), made);
  });
}

async function enterFolder(
  filling: Filling,
  above: OpenFolder,
  { name, path, entry }: { readonly name: BytePath; readonly path: BytePath; readonly entry: TreeEntry },
): Promise<void> {
  makeFolder(above.to, name);
  filling.index.set(path, { base: entry, mine: "" });
  const [from, to] = openBoth(above, name);
  const finish = (): void => {
    try {
      from?.[Symbol.dispose]();
      to?.[Symbol.dispose]();
      finishFolder(above.to, name, entry);
    } finally {
      release(above);
    }
  };
  above.left += 1;
  if (from === undefined || to === undefined) return finish();
  const folder: OpenFolder = { from, to, left: 1, finish };
  try {
    await fillFolder(filling, folder, path);
  } finally {
    release(folder);
  }
}

function openBoth(above: OpenFolder, name: BytePath): [FolderHandle | undefined, FolderHandle | undefined] {
  const from = above.from.child(name);
  try {
    return [from, above.to.child(name)];
  } catch (thrown) {
    from?.[Symbol.dispose]();
    throw thrown;
  }
}

/** Makes what has no contents. */
function makeHere(to: FolderHandle, name: BytePath, entry: TreeEntry): Indexed {
  if (entry.kind === "link") makeLink(to, name, entry);
  return { base: entry, mine: "" };
}

/** Copies what is no folder; undefined when it is gone by now. */
function copyHere(
  from: FolderHandle,
  to: FolderHandle,
  name: BytePath,
  cloning: Cloning,
): Indexed | undefined {
  const entry = lookAt(from, name);
  if (entry === undefined || entry.kind === "folder") return undefined;
  return entry.kind === "file" ? copyFile(from, to, name, cloning) : makeHere(to, name, entry);
}

type Both = Pick<Trees, "real" | "mine">;

function replaceAt({ real, mine }: Both, path: BytePath, index: StageIndex, cloning: Cloning): void {
  index.delete(path);
  withOpenParent(mine, path, (to, name) => {
    inParent(real, path, (from) => {
      removeEntry(to, name);
      const made = copyHere(from, to, name, cloning);
      if (made !== undefined) index.set(path, made);
    });
    if (entryAt(real, path) === undefined) removeEntry(to, name);
  });
}

/** Lets its owner write to the folder of a path meanwhile, whatever its mode; only we work in the agent's tree now. */
function withOpenParent(
  mine: FolderHandle,
  path: BytePath,
  work: (to: FolderHandle, name: BytePath) => void,
): void {
  const above = parentOf(path);
  const closed = above === "" ? undefined : entryAt(mine, above);
  const mode = closed?.kind === "folder" && (closed.mode & 0o700) !== 0o700 ? closed.mode : undefined;
  const give = (bits: number): void =>
    inParent(mine, above, (folder, name) => chmodSync(folder.at(name), bits));
  if (mode !== undefined) give(mode | 0o700);
  try {
    inParent(mine, path, work);
  } finally {
    if (mode !== undefined) give(mode);
  }
}

/**
 * Makes the agent's tree at these paths what the workspace is, and lets the index say so. A path whose folder is no
 * folder in the workspace is gone there.
 */
export async function followAt(
  { real, mine }: Both,
  paths: Iterable<BytePath>,
  index: StageIndex,
  cloning: Cloning,
): Promise<void> {
  const wanted = [...paths].toSorted((a, b) => (a < b ? -1 : 1));
  const folders: (readonly [BytePath, TreeEntry])[] = [];
  for (const path of wanted) {
    const entry = entryAt(real, path);
    if (entry?.kind !== "folder") {
      replaceAt({ real, mine }, path, index, cloning);
      continue;
    }
    withOpenParent(mine, path, (to, name) => {
      if (lookAt(to, name)?.kind === "folder") return;
      removeEntry(to, name);
      makeFolder(to, name);
    });
    index.set(path, { base: entry, mine: "" });
    folders.push([path, entry]);
  }
  // Last, and from the inside out: a folder may be closed to its owner.
  for (const [path, entry] of folders.toReversed()) {
    inParent(mine, path, (to, name) => finishFolder(to, name, entry));
  }
  await nextStep();
}
