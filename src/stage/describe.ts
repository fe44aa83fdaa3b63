/**
 * In: differences and the two trees. Out: changes as people and programs are told of them, with hashes, lines and what
 * was renamed. It reads what changed and nothing else.
 */
import { createHash } from "node:crypto";
import type { ShownChange, StageChange, StageSide } from "../model/stage.ts";
import type { BytePath } from "../util/byte-path.ts";
import { bytesOf, exactText, pathText } from "../util/byte-path.ts";
import type { TreeEntry } from "../util/file-tree.ts";
import { chunksOf, lookAt } from "../util/file-tree.ts";
import type { FolderHandle } from "../util/folder-handle.ts";
import { inParent } from "../util/folder-handle.ts";
import { kindOf } from "./compare.ts";
import type { Difference } from "./compare.ts";
import type { Trees } from "./survey.ts";
import { hunksOf, isBinary, MOST_BYTES } from "./text-diff.ts";

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
    const binary = files.some(({ head }) => isBinary(head));
    const text = files.length > 0 && !(real?.kind === "folder" || mine?.kind === "folder");
    const none = Buffer.alloc(0);
    const hunks =
      text && files.every(({ whole }) => whole)
        ? hunksOf(before?.head ?? none, after?.head ?? none)
        : undefined;
    const count = (sign: string): number | null =>
      hunks?.reduce((sum, { lines }) => sum + lines.filter((line) => line.startsWith(sign)).length, 0) ??
      null;
    const change: StageChange = {
      ...naming(path),
      change: kindOf(real, mine, before === undefined || before.sha256 !== after?.sha256),
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

interface Contents {
  /** All of it, or where that is more than is compared by lines, how it begins. */
  readonly head: Buffer;
  readonly whole: boolean;
  readonly size: number;
  readonly sha256: string;
}

/** However large a file is, no more of it than its lines are worth is held at once. */
function contents(root: FolderHandle, path: BytePath, entry: TreeEntry | undefined): Contents | undefined {
  if (entry?.kind !== "file") return undefined;
  return inParent(root, path, (folder, name) => {
    if (lookAt(folder, name)?.kind !== "file") return undefined;
    const hash = createHash("sha256");
    let kept: Buffer[] = [];
    let size = 0;
    for (const chunk of chunksOf(folder, name)) {
      hash.update(chunk);
      size += chunk.length;
      if (size <= MOST_BYTES) kept.push(chunk);
      else kept = kept.slice(0, 1);
    }
    return { head: Buffer.concat(kept), whole: size <= MOST_BYTES, size, sha256: hash.digest("hex") };
  });
}

function sideOf(entry: TreeEntry | undefined, read: Contents | undefined): StageSide | null {
  if (entry === undefined) return null;
  const { kind, mode, target } = entry;
  return {
    kind,
    mode: kind === "link" ? null : mode.toString(8).padStart(4, "0"),
    size: read?.size ?? 0,
    sha256: read?.sha256 ?? null,
    target: target === undefined ? null : pathText(target),
  };
}

/** An added file with the very contents of a deleted one, each told once. */
function renames(differences: readonly Difference[], trees: Trees): ReadonlyMap<BytePath, string> {
  const gone = differences.filter(
    ({ real, mine }) => real?.kind === "file" && mine === undefined && real.size > 0,
  );
  const came = differences.filter(({ real, mine }) => real === undefined && mine?.kind === "file");
  const sizes = new Set(came.map(({ mine }) => mine?.size));
  const goneSizes = new Set(gone.map(({ real }) => real?.size));
  const byHash = new Map<string, BytePath[]>();
  for (const { path, real } of gone) {
    if (!sizes.has(real?.size)) continue;
    const key = contents(trees.real, path, real)?.sha256 ?? "";
    byHash.set(key, [...(byHash.get(key) ?? []), path]);
  }
  const found = new Map<BytePath, string>();
  if (byHash.size === 0) return found;
  for (const { path, mine } of came) {
    if (!goneSizes.has(mine?.size)) continue;
    const from = byHash.get(contents(trees.mine, path, mine)?.sha256 ?? "")?.shift();
    if (from !== undefined) found.set(path, pathText(from));
  }
  return found;
}
