/**
 * In: a workspace here, its canonical copy, open, and what both had when they were last looked at. Out: what each side did
 * since, what both did, and what may not come here. It changes nothing.
 */
import type { SyncBase } from "../../state/sync-base.ts";
import type { BytePath } from "../../util/byte-path.ts";
import { isBelow } from "../../util/byte-path.ts";
import type { LeftOut, TreeEntry } from "../../util/file-tree.ts";
import type { OpenWorkspace, WorkspaceEntry, WorkspaceTree } from "../../util/open-workspace.ts";
import type { Difference } from "../compare.ts";
import { compare } from "../compare.ts";
import type { Conflict } from "../conflicts.ts";
import { conflictsOf } from "../conflicts.ts";
import type { Refusal } from "../decide.ts";
import { closeOver, decide } from "../decide.ts";
import type { StageIndex } from "../index-file.ts";
import type { StageRules } from "../rules.ts";
import { keptOf, readHere } from "./here.ts";

export interface SyncConflict {
  readonly path: BytePath;
  readonly here: string;
  readonly there: string;
}

export interface SyncLook {
  /** Undefined where nothing says what both sides had. */
  readonly base: SyncBase | undefined;
  readonly here: WorkspaceTree;
  readonly there: WorkspaceTree;
  /** What was done here; `mine` is here, `real` is there. */
  readonly push: readonly Difference[];
  /** What was done there; `mine` is there, `real` is here. */
  readonly pull: readonly Difference[];
  readonly conflicts: readonly SyncConflict[];
  /** What of `pull` may not come here. */
  readonly refusals: readonly Refusal[];
}

export interface LookInput {
  readonly root: string;
  readonly base: SyncBase | undefined;
  /** Of both trees, what is no part of the workspace. */
  readonly leftOut: LeftOut;
  readonly rules: StageRules;
}

/** Both as they are, and what of the one there is no part of it. */
export interface Sides extends Pick<SyncLook, "here" | "there"> {
  readonly outThere: ReadonlySet<BytePath>;
}

export async function readSides(open: OpenWorkspace, input: Omit<LookInput, "rules">): Promise<Sides> {
  const { root, base, leftOut } = input;
  const all = await open.list((path, sign) => {
    const known = base?.get(path);
    return known !== undefined && sign !== "" && known.there === sign ? known.sha256 : undefined;
  });
  const { kept: there, out: outThere } = await keptOf(all, leftOut);
  return { there, outThere, here: await readHere(root, base, leftOut) };
}

/** Of all that differs, what is wanted: the rest is as if it were alike. Of what nobody knows the beginning, all of it. */
export function compareSides(
  sides: Sides,
  { base, rules }: Pick<LookInput, "base" | "rules">,
  some: (path: BytePath) => boolean = () => true,
): SyncLook {
  const { here, there, outThere } = sides;
  const known = indexOf(base ?? new Map());
  const [mine, theirs] = [treeOf(here), treeOf(there)];
  const keeps = (path: BytePath): boolean => [...outThere].some((each) => isBelow(each, path));
  const done = differences(known, mine, theirs).filter(
    // What is no part of it keeps its folder.
    ({ path, mine: now, real }) => now !== undefined || real?.kind !== "folder" || !keeps(path),
  );
  const wanted = base === undefined ? () => true : some;
  const push = closeOver(wanted, done);
  const { chosen: pull, refusals } = decide({
    differences: differences(known, theirs, mine),
    mine: theirs,
    wanted,
    ignored: new Set(),
    rules,
    looks: looksAt(mine),
  });
  const conflicts = base === undefined ? unknown(push, pull) : conflictsBetween(push, pull, mine, theirs);
  return { base, here, there, push, pull, conflicts, refusals };
}

/** Contents are its sign, so that equal ones are the same file whatever happened to it. */
function entryOf({ kind, mode, size, sha256, target }: WorkspaceEntry): TreeEntry {
  // A folder's special bits are its place's own.
  const bits = kind === "folder" ? mode & 0o777 : mode;
  const sign = `${sha256}:${bits.toString(8)}`;
  return { kind, mode: bits, size, sign, uid: 0, gid: 0, ...(target === undefined ? {} : { target }) };
}

function treeOf(tree: WorkspaceTree): Map<BytePath, TreeEntry> {
  return new Map([...tree].map(([path, entry]) => [path, entryOf(entry)]));
}

function indexOf(base: SyncBase): StageIndex {
  return new Map(
    [...base].map(([path, agreed]) => {
      const entry = entryOf({ ...agreed, sign: "" });
      return [path, { base: entry, mine: entry.kind === "file" ? entry.sign : "" }];
    }),
  );
}

function differences(
  known: StageIndex,
  mine: ReadonlyMap<BytePath, TreeEntry>,
  real: ReadonlyMap<BytePath, TreeEntry>,
): Difference[] {
  return compare(known, mine, {
    real: (path) => real.get(path),
    sameContents: (path) => mine.get(path)?.sign === real.get(path)?.sign,
  });
}

function below(tree: ReadonlyMap<BytePath, TreeEntry>): (path: BytePath) => BytePath[] {
  return (path) => [...tree.keys()].filter((each) => isBelow(each, path));
}

const looksAt = (tree: ReadonlyMap<BytePath, TreeEntry>) => ({
  real: (path: BytePath) => tree.get(path),
  realBelow: below(tree),
});

function conflictsBetween(
  push: readonly Difference[],
  pull: readonly Difference[],
  here: ReadonlyMap<BytePath, TreeEntry>,
  there: ReadonlyMap<BytePath, TreeEntry>,
): SyncConflict[] {
  const one = conflictsOf(push, looksAt(there)).map((each) => told(each, "push"));
  const other = conflictsOf(pull, looksAt(here)).map((each) => told(each, "pull"));
  return inOrder([...one, ...other]);
}

function told({ path, agent, workspace }: Conflict, side: "push" | "pull"): SyncConflict {
  return side === "push" ? { path, here: agent, there: workspace } : { path, here: workspace, there: agent };
}

function inOrder(conflicts: readonly SyncConflict[]): SyncConflict[] {
  const byPath = new Map<BytePath, SyncConflict>();
  for (const each of conflicts) if (!byPath.has(each.path)) byPath.set(each.path, each);
  return [...byPath.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

const sideWords = (entry: TreeEntry | undefined): string =>
  entry === undefined ? "not there" : `a ${entry.kind}, and nothing says since when`;

/** Where nothing says what both had, whatever differs may have been changed by either. */
function unknown(push: readonly Difference[], pull: readonly Difference[]): SyncConflict[] {
  const one = push.map(({ path, mine, real }) => ({ path, here: sideWords(mine), there: sideWords(real) }));
  const other = pull.map(({ path, mine, real }) => ({ path, here: sideWords(real), there: sideWords(mine) }));
  return inOrder([...one, ...other]);
}
