/**
 * In: differences and the two trees. Out: changes as people and programs are told of them, with hashes, lines and what
 * was renamed. It reads what changed and nothing else.
 */
import { createHash } from "node:crypto";
import type { ShownChange, StageChange, StageSide } from "../model/stage.ts";
import type { BytePath } from "../util/byte-path.ts";
import { bytesOf, exactText, pathText } from "../util/byte-path.ts";
import type { TreeEntry } from "../util/file-tree.ts";
import { contentsAt } from "../util/file-tree.ts";
import type { FolderHandle } from "../util/folder-handle.ts";
import { kindOf } from "./compare.ts";
import type { Difference } from "./compare.ts";
import type { Trees } from "./survey.ts";
import { hunksOf, isBinary } from "./text-diff.ts";

/** How a path is named wherever one is told. */
export function naming(path: BytePath): { readonly path: string; readonly path_base64: string | null } {
  const exact = exactText(path) !== undefined;
  return { path: pathText(path), path_base64: exact ? null : bytesOf(path).toString("base64") };
}

/** Each is read when it is asked for, one at a time, so that the size of all does not matter. */
export function* describe(
  differences: readonly Difference[],
  trees: Trees,
  ignored: ReadonlySet<BytePath>,
): Generator<ShownChange> {
  const renamed = renames(differences, trees);
  for (const each of differences) {
    const { path, real, mine } = each;
    const [before, after] = [contents(trees.real, path, real), contents(trees.mine, path, mine)];
    const files = [before, after].filter((one) => one !== undefined);
    const binary = files.some(isBinary);
    const text = files.length > 0 && !(real?.kind === "folder" || mine?.kind === "folder");
    const none = Buffer.alloc(0);
    const hunks = text ? hunksOf(before ?? none, after ?? none) : undefined;
    const count = (sign: string): number | null =>
      hunks?.reduce((sum, { lines }) => sum + lines.filter((line) => line.startsWith(sign)).length, 0) ??
      null;
    const change: StageChange = {
      ...naming(path),
      change: kindOf(real, mine, before === undefined || after === undefined || !before.equals(after)),
      before: sideOf(real, before),
      after: sideOf(mine, after),
      renamed_from: renamed.get(path) ?? null,
      binary,
      lines_added: count("+"),
      lines_deleted: count("-"),
      ignored: ignored.has(path),
    };
    yield { change, hunks };
  }
}

function contents(root: FolderHandle, path: BytePath, entry: TreeEntry | undefined): Buffer | undefined {
  return entry?.kind === "file" ? contentsAt(root, path) : undefined;
}

function sideOf(entry: TreeEntry | undefined, bytes: Buffer | undefined): StageSide | null {
  if (entry === undefined) return null;
  const { kind, mode, target } = entry;
  return {
    kind,
    mode: kind === "link" ? null : mode.toString(8).padStart(4, "0"),
    size: bytes?.length ?? 0,
    sha256: bytes === undefined ? null : createHash("sha256").update(bytes).digest("hex"),
    target: target === undefined ? null : pathText(target),
  };
}

function hash(root: FolderHandle, path: BytePath): string {
  return createHash("sha256")
    .update(contentsAt(root, path) ?? "")
    .digest("hex");
}

/** An added file with the very contents of a deleted one, each told once. */
function renames(differences: readonly Difference[], trees: Trees): ReadonlyMap<BytePath, string> {
  const gone = differences.filter(
    ({ real, mine }) => real?.kind === "file" && mine === undefined && real.size > 0,
  );
  const came = differences.filter(({ real, mine }) => real === undefined && mine?.kind === "file");
  const sizes = new Set(came.map(({ mine }) => mine?.size));
  const byHash = new Map<string, BytePath[]>();
  for (const { path, real } of gone) {
    if (!sizes.has(real?.size)) continue;
    const key = hash(trees.real, path);
    byHash.set(key, [...(byHash.get(key) ?? []), path]);
  }
  const found = new Map<BytePath, string>();
  if (byHash.size === 0) return found;
  for (const { path } of came) {
    const from = byHash.get(hash(trees.mine, path))?.shift();
    if (from !== undefined) found.set(path, pathText(from));
  }
  return found;
}
