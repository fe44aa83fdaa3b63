/**
 * In: two open trees and paths. Out: the agent's tree made like the workspace at these paths, and what the index is to
 * say of them. Done again after it was cut short, it ends with the same.
 */
import { chmodSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { BytePath } from "../util/byte-path.ts";
import { joinBytes, parentOf } from "../util/byte-path.ts";
import type { Cloning } from "../util/copy-entry.ts";
import { copyFile, copyFileBeside, finishFolder, makeFolder, makeLink } from "../util/copy-entry.ts";
import type { TreeEntry } from "../util/file-tree.ts";
import { changedAt, entryAt, lookAt, removeEntry } from "../util/file-tree.ts";
import { FolderHandle, inParent } from "../util/folder-handle.ts";
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
}

/** Copies the whole workspace into an empty folder. */
export async function fillTree(
  stage: Pick<Stage, "meta" | "tree" | "skip">,
  cloning: Cloning,
): Promise<StageIndex> {
  using real = FolderHandle.open(stage.meta.source);
  using mine = FolderHandle.open(stage.tree);
  const began = Date.now();
  const crew = makeCrew();
  const filling: Filling = { skip: stage.skip, crew, cloning, index: new Map() };
  // Whatever fails, the folders stay open until nothing is under way any more.
  await new Promise<void>((resolve) => {
    const root: OpenFolder = { from: real, to: mine, left: 1, finish: resolve };
    void fillFolder(filling, root, "")
      .catch((thrown: unknown) => crew.fail(thrown))
      .then(() => release(root));
  });
  crew.throwIfFailed();
  const { index } = filling;
  await nextStep();
  // What was written within the same step as it was copied may have been written again without a sign of it.
  const since = (began - STEP_MS) * 1e6;
  const fresh = [...index].filter(([, { base }]) => base.kind === "file" && changedAt(base) > since);
  for (const [path] of fresh) replaceAt({ real, mine }, path, index, cloning);
  if (fresh.length > 0) await nextStep();
  return index;
}
async function fillFolder(filling: Filling, folder: OpenFolder, at: BytePath): Promise<void> {
  const { skip, crew, cloning, index } = filling;
  const { from, to } = folder;
  for (const name of from.names()) {
    const path = joinBytes(at, name);
    const entry = skip(path) ? undefined : lookAt(from, name);
    if (entry?.kind === "folder") await enterFolder(filling, folder, { name, path, entry });
    else if (entry?.kind === "file") {
      await crew.take(folder, async () => {
        const copied = await copyFileBeside(from, to, name, entry, cloning);
        if (copied !== undefined) index.set(path, copied);
      });
    } else if (entry !== undefined) {
      const made = copyHere(from, to, name, cloning);
      if (made !== undefined) index.set(path, made);
    }
  }
}

async function enterFolder(
  filling: Filling,
  above: OpenFolder,
  { name, path, entry }: { readonly name: BytePath; readonly path: BytePath; readonly entry: TreeEntry },
): Promise<void> {
  makeFolder(above.to, name);
  filling.index.set(path, { base: entry, mine: "" });
  const [from, to] = [above.from.child(name), above.to.child(name)];
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

/** Copies what is no folder; undefined when it is gone by now. */
function copyHere(
  from: FolderHandle,
  to: FolderHandle,
  name: BytePath,
  cloning: Cloning,
): Indexed | undefined {
  const entry = lookAt(from, name);
  if (entry === undefined || entry.kind === "folder") return undefined;
  if (entry.kind === "other") return { base: entry, mine: "" };
  if (entry.kind === "link") {
    makeLink(to, name, entry);
    return { base: entry, mine: "" };
  }
  return copyFile(from, to, name, cloning);
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
