import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { BytePath } from "../../util/byte-path.ts";
import { bytesOf } from "../../util/byte-path.ts";
import type {
  OpenWorkspace,
  WorkspaceChange,
  WorkspaceEntry,
  WorkspaceTree,
} from "../../util/open-workspace.ts";
import { readTar } from "../../util/read-tar.ts";
import { plainPath, readArchive } from "../../util/script-workspace.ts";
import { TAR_END } from "../../util/tar-header.ts";
import { failed } from "../../util/workspace-faults.ts";
import { SYNC_ANSWER } from "../../util/workspace-scripts.ts";
import { memoryError } from "./errors.ts";
import type { FileTree, TreeEntry } from "./file-tree.ts";
import type { MemoryObject } from "./machine.ts";
import { volumeOf } from "./place.ts";
import type { Connection } from "./world.ts";

/** Whose workspaces somebody holds. */
const HELD = new WeakSet<FileTree>();

export function openWorkspace({ machine, call }: Connection, object: MemoryObject): OpenWorkspace {
  const tree = volumeOf(machine, object);
  if (tree === undefined) throw memoryError("terminal", `${object.name} has no workspace of its own`);
  if (HELD.has(tree)) throw memoryError("transient", "another sync of the workspace goes on");
  HELD.add(tree);
  return {
    list: async () =>
      call("listWorkspace", object.id, async () => await readArchive(await tree.pack("", "."))),
    read: async () => call("readWorkspace", object.id, async () => await tree.pack("", ".")),
    write: async (change) =>
      call("writeWorkspace", object.id, async () => {
        const entries = await entriesOf(change);
        const now = await readArchive(await tree.pack("", "."));
        if (!isAsExpected(now, change)) throw failed(SYNC_ANSWER.changed, "");
        changeTree(tree, change, entries);
      }),
    async [Symbol.asyncDispose]() {
      HELD.delete(tree);
    },
  };
}

const textOf = (path: BytePath): string => bytesOf(path).toString("utf8");

async function entriesOf(change: WorkspaceChange): Promise<(readonly [string, TreeEntry])[]> {
  async function* archive(): AsyncGenerator<Buffer> {
    yield* change.contents("");
    yield TAR_END;
  }
  const entries: (readonly [string, TreeEntry])[] = [];
  for await (const { path, kind, mode, target, contents } of readTar(Readable.from(archive()), "a change")) {
    const name = textOf(plainPath(path));
    if (kind === "folder") entries.push([name, { type: "directory", mode }]);
    else if (kind === "link") entries.push([name, { type: "link", target: textOf(target) }]);
    else entries.push([name, { type: "file", mode, content: await buffer(Readable.from(contents)) }]);
  }
  return entries;
}

function isAsExpected(tree: WorkspaceTree, { expected }: WorkspaceChange): boolean {
  return expected.every(([path, entry]) => isAlike(entry, tree.get(path)));
}

function isAlike(a: WorkspaceEntry | undefined, b: WorkspaceEntry | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.kind === b.kind && a.mode === b.mode && a.sha256 === b.sha256 && a.target === b.target;
}

/** At once: nobody sees half of it. */
function changeTree(
  tree: FileTree,
  change: WorkspaceChange,
  made: readonly (readonly [string, TreeEntry])[],
): void {
  for (const path of change.deleted) tree.entries.delete(textOf(path));
  for (const path of change.deletedFolders.map(textOf)) {
    const isEmpty = [...tree.entries.keys()].every((each) => !each.startsWith(`${path}/`));
    if (isEmpty) tree.entries.delete(path);
  }
  for (const [path, entry] of made) {
    const there = tree.entries.get(path);
    if (entry.type !== "directory" || there?.type !== "directory") tree.set(path, entry);
  }
  for (const [path, mode] of change.modes) {
    const name = textOf(path);
    if (tree.entries.get(name)?.type === "directory") tree.entries.set(name, { type: "directory", mode });
  }
}
