/** In: what was done here, and the workspace there, open. Out: the same there, as one change. */
import type { BytePath } from "../../util/byte-path.ts";
import { parentOf } from "../../util/byte-path.ts";
import { entryAt } from "../../util/file-tree.ts";
import { FolderHandle } from "../../util/folder-handle.ts";
import type { OpenWorkspace, WorkspaceChange, WorkspaceTree } from "../../util/open-workspace.ts";
import type { Packed, ToPack } from "../../util/pack-tree.ts";
import { packEntries } from "../../util/pack-tree.ts";
import { SandkeepError } from "../../errors.ts";
import { pathText } from "../../util/byte-path.ts";
import type { Difference } from "../compare.ts";
import type { SyncLook } from "./look.ts";

const OPEN = 0o700;

export async function push(
  open: OpenWorkspace,
  root: string,
  look: SyncLook,
  tell: (bytes: number) => void,
): Promise<void> {
  using folder = FolderHandle.open(root);
  await open.write(changeOf(look, folder, tell));
}

const goes = ({ mine, real }: Difference): boolean => real !== undefined && mine?.kind !== real.kind;

function changeOf(look: SyncLook, root: FolderHandle, tell: (bytes: number) => void): WorkspaceChange {
  const { push: differences, there } = look;
  const inwards = differences.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const outwards = inwards.toReversed();
  const isFolder = (path: BytePath): boolean => there.get(path)?.kind === "folder";
  const closed = closedAbove(inwards, there);
  const modes = new Map<BytePath, number>(closed);
  for (const { path, mine } of inwards)
    if (mine?.kind === "folder" && (isFolder(path) || (mine.mode & OPEN) !== OPEN))
      modes.set(path, mine.mode);
  const gone = new Set(outwards.filter((each) => goes(each)).map(({ path }) => path));
  return {
    expected: inwards.map(({ path }) => [path, there.get(path)]),
    deleted: outwards.filter((each) => goes(each) && each.real?.kind !== "folder").map(({ path }) => path),
    deletedFolders: outwards
      .filter((each) => goes(each) && each.real?.kind === "folder")
      .map(({ path }) => path),
    closed: [...closed.keys()],
    modes: [...modes].filter(([path]) => !gone.has(path) || modeStays(look, path)).toSorted(childrenFirst),
    contents: (prefix) => contents(inwards, { look, root, prefix, tell }),
  };
}

const childrenFirst = ([a]: readonly [BytePath, number], [b]: readonly [BytePath, number]): number =>
  a < b ? 1 : -1;

/** What was something else there and is a folder now. */
function modeStays({ here }: SyncLook, path: BytePath): boolean {
  return here.get(path)?.kind === "folder";
}

/** Folders there that let nothing in or out, with the permissions they have. */
function closedAbove(
  differences: readonly Difference[],
  there: WorkspaceTree,
): ReadonlyMap<BytePath, number> {
  const closed = new Map<BytePath, number>();
  for (const { path, real } of differences) {
    const first = real?.kind === "folder" ? path : parentOf(path);
    for (let at = first; at !== ""; at = parentOf(at)) {
      const entry = there.get(at);
      if (entry?.kind === "folder" && (entry.mode & OPEN) !== OPEN) closed.set(at, entry.mode);
    }
  }
  return new Map([...closed].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

interface Packing {
  readonly look: SyncLook;
  readonly root: FolderHandle;
  readonly prefix: BytePath;
  readonly tell: (bytes: number) => void;
}

async function* contents(
  differences: readonly Difference[],
  { look, root, prefix, tell }: Packing,
): AsyncGenerator<Buffer> {
  const wanted = new Map<BytePath, ToPack>();
  const add = (path: BytePath): void => {
    const entry = entryAt(root, path);
    if (entry === undefined) throw moved(path);
    wanted.set(path, { path, entry, ...(entry.kind === "folder" ? { mode: entry.mode | OPEN } : {}) });
  };
  for (const { path, mine, real } of differences) {
    if (mine === undefined || (mine.kind === "folder" && real?.kind === "folder")) continue;
    for (let at = parentOf(path); at !== "" && !wanted.has(at); at = parentOf(at)) add(at);
    add(path);
  }
  const took = (path: BytePath, { sha256, still }: Packed): void => {
    if (!still || sha256 !== look.here.get(path)?.sha256) throw moved(path);
    wanted.delete(path);
  };
  const inOrder = [...wanted.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  for await (const chunk of packEntries(root, inOrder, prefix, took)) {
    tell(chunk.length);
    yield chunk;
  }
  const [left] = wanted.keys();
  if (left !== undefined) throw moved(left);
}

/** Only what was compared is sent. */
function moved(path: BytePath): SandkeepError {
  return new SandkeepError(`${pathText(path)} changed while it was sent; nothing was changed there`, {
    code: "SYNC_SOURCE_CHANGES",
    kind: "transient",
    hint: "try again when nothing writes to the workspace here",
    exitCode: 75,
  });
}
