import type { SyncBase } from "../../state/sync-base.ts";
import type { BytePath } from "../../util/byte-path.ts";
import { parentOf } from "../../util/byte-path.ts";
import { errnoOf } from "../../util/errno.ts";
import type { LeftOut } from "../../util/file-tree.ts";
import { hashOf, readKept } from "../../util/file-tree.ts";
import { FolderHandle, inParent } from "../../util/folder-handle.ts";
import type { WorkspaceEntry, WorkspaceTree } from "../../util/open-workspace.ts";

/** The workspace of this machine, each file with its hash; what has not changed since is not read again. */
export async function readHere(
  root: string,
  base: SyncBase | undefined,
  leftOut: LeftOut,
): Promise<WorkspaceTree> {
  using folder = FolderHandle.open(root);
  const found = new Map<BytePath, WorkspaceEntry>();
  for (const [path, { kind, mode, size, sign, target }] of await readKept(folder, leftOut)) {
    // A pipe or a socket here is nothing that could be sent.
    if (kind === "other") continue;
    const entry = { kind, mode, size, ...(target === undefined ? {} : { target }) };
    if (kind !== "file") {
      found.set(path, { ...entry, sha256: "", sign: "" });
      continue;
    }
    const known = base?.get(path);
    const sha256 = known !== undefined && known.here === sign ? known.sha256 : hashAt(folder, path);
    if (sha256 !== undefined) found.set(path, { ...entry, sha256, sign: settled(sign, Date.now()) });
  }
  return found;
}

function hashAt(root: FolderHandle, path: BytePath): string | undefined {
  try {
    return inParent(root, path, hashOf);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}

/** File systems tell times in steps of a few milliseconds: what was written within one may be written again without a sign. */
const STEP_MS = 50;

function settled(sign: string, now: number): string {
  return Number(sign.split(":")[3] ?? 0) / 1e6 > now - STEP_MS ? "" : sign;
}

/** What a tree holds but for what is left out of it, and the places of that. */
export async function keptOf(
  tree: WorkspaceTree,
  leftOut: LeftOut,
): Promise<{ readonly kept: WorkspaceTree; readonly out: ReadonlySet<BytePath> }> {
  const kept = new Map<BytePath, WorkspaceEntry>();
  const out = new Set<BytePath>();
  for (const level of levelsOf(tree)) {
    const asked = new Map([...level].filter(([path]) => parentOf(path) === "" || kept.has(parentOf(path))));
    const said = await leftOut(asked);
    for (const [path, entry] of asked) {
      if (said.has(path)) out.add(path);
      else kept.set(path, entry);
    }
  }
  return { kept, out };
}

function levelsOf(tree: WorkspaceTree): readonly Map<BytePath, WorkspaceEntry>[] {
  const levels: Map<BytePath, WorkspaceEntry>[] = [];
  for (const [path, entry] of tree) {
    const depth = path.split("/").length - 1;
    for (let at = levels.length; at <= depth; at += 1) levels.push(new Map());
    levels[depth]?.set(path, entry);
  }
  return levels;
}
