/**
 * In: what the workspace was when the stage began, the agent's tree, and looks at the workspace as it is. Out: every path
 * that the agent changed, with its three states. Pure but for the looks, which are handed in.
 */
import type { BytePath } from "../util/byte-path.ts";
import type { Tree, TreeEntry } from "../util/file-tree.ts";
import type { Indexed, StageIndex } from "./index-file.ts";

export interface Difference {
  readonly path: BytePath;
  /** When the stage began. */
  readonly base: TreeEntry | undefined;
  readonly mine: TreeEntry | undefined;
  /** In the workspace now. */
  readonly real: TreeEntry | undefined;
  /** True where the workspace is not as it was. */
  readonly moved: boolean;
}

export interface Looks {
  /** The workspace's entry as it is now. */
  real(path: BytePath): TreeEntry | undefined;
  /** Whether a file of both trees holds the same bytes. */
  sameContents(path: BytePath): boolean;
}

/** Whether the workspace's entry is what it was: for a file, not written, replaced, or renamed over since. */
export function isAsItWas(base: TreeEntry | undefined, real: TreeEntry | undefined): boolean {
  if (base === undefined || real === undefined) return base === real;
  if (base.kind !== real.kind || base.target !== real.target) return false;
  if (base.kind === "file") return base.sign === real.sign;
  return base.kind === "other" || base.mode === real.mode;
}

function isUntouched({ base, mine }: Indexed, now: TreeEntry): boolean {
  if (base.kind !== now.kind || base.mode !== now.mode || base.target !== now.target) return false;
  return base.kind !== "file" || mine === now.sign;
}

/** Whether two entries say the same, but for what is in a file. */
function isAlike(a: TreeEntry, b: TreeEntry): boolean {
  return a.kind === b.kind && a.mode === b.mode && a.target === b.target && a.size === b.size;
}

function isSame(
  path: BytePath,
  mine: TreeEntry | undefined,
  looks: Looks,
  real: TreeEntry | undefined,
): boolean {
  if (mine === undefined || real === undefined) return mine === real;
  return isAlike(mine, real) && (mine.kind !== "file" || looks.sameContents(path));
}

/** In order of their bytes. What is the same on both sides, however it came about, is no difference. */
export function compare(index: StageIndex, mine: Tree, looks: Looks): Difference[] {
  const found: Difference[] = [];
  const check = (path: BytePath, known: Indexed | undefined, now: TreeEntry | undefined): void => {
    if (known !== undefined && now !== undefined && isUntouched(known, now)) return;
    // What cannot be copied was never in the agent's tree.
    if (known?.base.kind === "other" && now === undefined) return;
    const real = looks.real(path);
    if (isSame(path, now, looks, real)) return;
    const base = known?.base;
    found.push({ path, base, mine: now, real, moved: !isAsItWas(base, real) });
  };
  for (const [path, now] of mine) check(path, index.get(path), now);
  for (const [path, known] of index) if (!mine.has(path)) check(path, known, undefined);
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

export type ChangeKind = "added" | "modified" | "deleted" | "mode" | "type";

/** What was done to a path; `before` and `after` differ. A file with other contents is told from one with another mode by `rewritten`. */
export function kindOf(
  before: TreeEntry | undefined,
  after: TreeEntry | undefined,
  rewritten = true,
): ChangeKind {
  if (before === undefined) return "added";
  if (after === undefined) return "deleted";
  if (before.kind !== after.kind) return "type";
  if (before.kind === "folder" || (before.kind === "file" && !rewritten)) return "mode";
  return "modified";
}

const WORDS: Readonly<Record<ChangeKind, string>> = {
  added: "added",
  modified: "modified",
  deleted: "deleted",
  mode: "other permissions",
  type: "turned into a",
};

/** `modified`, `turned into a folder`: one side's change in words. */
export function wordsFor(before: TreeEntry | undefined, after: TreeEntry | undefined): string {
  const kind = kindOf(before, after);
  return kind === "type" ? `${WORDS.type} ${after?.kind ?? ""}` : WORDS[kind];
}
