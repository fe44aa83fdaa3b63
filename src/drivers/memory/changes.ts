import { posix } from "node:path";
import type { RuntimeChanges } from "../../model/observed.ts";
import { MOST_CHANGED_PATHS } from "../../model/observed.ts";
import type { SalvageSource, WorkspaceFate } from "../driver.ts";
import { memoryError } from "./errors.ts";
import type { FileTree } from "./file-tree.ts";
import type { Machine, MemoryObject } from "./machine.ts";
import { targetOf, volumeOf } from "./place.ts";

interface Own {
  readonly tree: FileTree;
  /** Absolute path of the tree's root. */
  readonly at: string;
}

/** Images of this backend hold no files, so all that a runtime has of its own was written since; nothing can be deleted. */
function belongings(machine: Machine, object: MemoryObject, workspace: WorkspaceFate): readonly Own[] {
  const volume = workspace === "delete" ? volumeOf(machine, object) : undefined;
  const own = [{ tree: object.files, at: "/" }];
  return volume === undefined ? own : [...own, { tree: volume, at: targetOf(object) }];
}

function isFolder({ tree }: Own, path: string): boolean {
  return tree.get(path)?.type === "directory";
}

/** First-level paths of a tree, which stand for all that is below. */
function topmost({ tree }: Own): string[] {
  return [...tree.entries.keys()].filter((path) => !path.includes("/")).toSorted();
}

export function changesOf(machine: Machine, object: MemoryObject, workspace: WorkspaceFate): RuntimeChanges {
  const all = belongings(machine, object, workspace);
  let [bytes, files] = [0, 0];
  for (const { tree } of all) {
    const parents = new Set([...tree.entries.keys()].map((path) => posix.dirname(path)));
    for (const [path, entry] of tree.entries) {
      if (entry.type === "file") bytes += entry.content.length;
      if (entry.type !== "directory" || !parents.has(path)) files += 1;
    }
  }
  const paths = all.flatMap((own) =>
    topmost(own).map((path) => posix.join(own.at, path) + (isFolder(own, path) ? "/" : "")),
  );
  return { bytes, files, deleted: 0, paths: paths.toSorted().slice(0, MOST_CHANGED_PATHS), more: false };
}

export function salvageOf(
  machine: Machine,
  objectId: string,
  workspace: WorkspaceFate,
): SalvageSource | undefined {
  const object = machine.objects.get(objectId);
  if (object === undefined) return undefined;
  const all = belongings(machine, object, workspace);
  return {
    parts: all.flatMap((own) =>
      topmost(own).map((path) => ({ path: posix.join(own.at, path), take: "tree" as const, without: [] })),
    ),
    deleted: [],
    open: async (path) => {
      // The workspace's own tree comes last, and is the nearest.
      const own = all.findLast(({ at }) => path.startsWith(at));
      if (own === undefined) throw memoryError("not-found", `there is no file ${path}`);
      return own.tree.pack(posix.relative(own.at, path), posix.basename(path));
    },
  };
}
