/**
 * In: what the agent changed, which of it is wanted, the rules, and looks at the workspace. Out: what an apply would do
 * and everything that stands against it, told at once. It decides and touches nothing.
 */
import type { StageRefusal } from "../model/stage.ts";
import type { BytePath } from "../util/byte-path.ts";
import { isBelow, parentOf, pathText } from "../util/byte-path.ts";
import { formatBytes } from "../util/bytes.ts";
import type { Tree } from "../util/file-tree.ts";
import type { Difference } from "./compare.ts";
import type { Conflict, ConflictLooks } from "./conflicts.ts";
import { nameInGit } from "./bare-repository.ts";
import { conflictsOf } from "./conflicts.ts";
import { leadsOutside } from "./links.ts";
import type { KeyPlace, StageRules } from "./rules.ts";

export interface Refusal extends Omit<StageRefusal, "path" | "path_base64"> {
  readonly path: BytePath;
}

export interface DecideInput {
  readonly differences: readonly Difference[];
  readonly mine: Tree;
  readonly wanted: (path: BytePath) => boolean;
  /** Paths that git ignores and the rules leave out. */
  readonly ignored: ReadonlySet<BytePath>;
  readonly rules: StageRules;
  readonly looks: ConflictLooks;
}

export interface Decision {
  readonly chosen: readonly Difference[];
  readonly left: readonly Difference[];
  readonly conflicts: readonly Conflict[];
  readonly refusals: readonly Refusal[];
}

export function decide(input: DecideInput): Decision {
  const { differences, wanted, ignored, looks } = input;
  const chosen = closeOver((path) => wanted(path) && !ignored.has(path), differences);
  const conflicts = conflictsOf(chosen, looks);
  const byPath = new Map(chosen.map((each) => [each.path, each]));
  const refusals = [...chosen.flatMap((each) => refusalsOf(each, byPath, input)), ...tooLarge(chosen, input)];
  const left = differences.filter((each) => !byPath.has(each.path));
  return { chosen, left, conflicts, refusals };
}

/** The rest of what a change cannot do without: the folders it comes into, and what is in a folder that it takes away. */
export function closeOver(
  wanted: (path: BytePath) => boolean,
  all: readonly Difference[],
): readonly Difference[] {
  const byPath = new Map(all.map((each) => [each.path, each]));
  const chosen = new Set<BytePath>();
  const add = (path: BytePath): void => {
    if (chosen.has(path)) return;
    const each = byPath.get(path);
    if (each === undefined) return;
    chosen.add(path);
    if (each.mine !== undefined) {
      for (let at = parentOf(path); at !== ""; at = parentOf(at)) {
        const above = byPath.get(at);
        if (above !== undefined && above.real?.kind !== "folder") add(at);
      }
    }
    if (each.real?.kind === "folder" && each.mine?.kind !== "folder") {
      for (const below of all) if (isBelow(below.path, path)) add(below.path);
    }
  };
  for (const { path } of all) if (wanted(path)) add(path);
  return all.filter(({ path }) => chosen.has(path));
}

interface Row {
  readonly code: Refusal["code"];
  readonly find: (
    each: Difference,
    chosen: ReadonlyMap<BytePath, Difference>,
    input: DecideInput,
  ) => { readonly why: string; readonly place?: KeyPlace } | undefined;
  readonly fix: string;
}

const SPECIAL_BITS = 0o6000;

const ROWS: readonly Row[] = [
  {
    code: "denied",
    find: ({ path }, _, { rules }) => {
      const denial = rules.denial(pathText(path));
      return denial && { why: `${denial.pattern} is denied`, place: denial.place };
    },
    fix: "leave it out with --path '!PATH', or take the pattern out of [stage] deny",
  },
  {
    code: "denied",
    find: ({ path, mine }, _, { rules, mine: tree, looks }) => {
      if (mine === undefined || rules.denial(pathText(path)) !== undefined) return undefined;
      const named = nameInGit(
        path,
        (at) => tree.get(at),
        (at) => looks.real(at),
      );
      const denial = named === undefined ? undefined : rules.denial(pathText(named));
      const why = `git takes its folder for a repository, and ${denial?.pattern ?? ""} is denied`;
      return denial && { why, place: denial.place };
    },
    fix: "leave it out with --path '!PATH', or take the pattern out of [stage] deny",
  },
  {
    code: "denied",
    find: ({ path, mine }) =>
      path.split("/").at(-1) === ".git" && mine !== undefined && mine.kind !== "folder"
        ? { why: "it is no folder, and git takes what it runs from wherever it leads to" }
        : undefined,
    fix: "leave it out with --path '!PATH', or have the agent remove it",
  },
  {
    code: "special-file",
    find: ({ mine }) => (mine?.kind === "other" ? { why: "it is a pipe, a socket or a device" } : undefined),
    fix: "leave it out with --path '!PATH', or have the agent remove it",
  },
  {
    code: "special-bits",
    find: ({ mine, base }) =>
      mine?.kind === "file" && (mine.mode & SPECIAL_BITS & ~(base?.mode ?? 0)) !== 0
        ? { why: "it would run with the rights of its owner, whoever starts it" }
        : undefined,
    fix: "have the agent take the setuid and setgid bits away, or leave it out with --path '!PATH'",
  },
  {
    code: "link-outside",
    find: ({ path, mine }, chosen, { mine: tree, looks }) => {
      const { target } = mine ?? {};
      if (target === undefined) return undefined;
      const after = (at: BytePath) => (chosen.has(at) ? chosen.get(at)?.mine : looks.real(at));
      const outside = [after, (at: BytePath) => tree.get(at)].some((look) =>
        leadsOutside(path, target, look),
      );
      return outside ? { why: `it leads outside the workspace, to ${pathText(target)}` } : undefined;
    },
    fix: "leave it out with --path '!PATH', or have the agent link to something inside the workspace",
  },
];

function refusalsOf(
  each: Difference,
  chosen: ReadonlyMap<BytePath, Difference>,
  input: DecideInput,
): Refusal[] {
  return ROWS.flatMap(({ code, find, fix }) => {
    const found = find(each, chosen, input);
    if (found === undefined) return [];
    const place = found.place ?? { key: null, file: null, line: null };
    return [{ path: each.path, code, why: found.why, fix, ...place }];
  });
}

function tooLarge(chosen: readonly Difference[], { rules }: DecideInput): Refusal[] {
  const { max_bytes: most } = rules;
  const files = chosen.filter(({ mine }) => mine?.kind === "file");
  const bytes = files.reduce((sum, { mine }) => sum + (mine?.size ?? 0), 0);
  const [largest] = files.toSorted((a, b) => (b.mine?.size ?? 0) - (a.mine?.size ?? 0));
  if (most === "unlimited" || bytes <= most || largest === undefined) return [];
  return [
    {
      path: largest.path,
      code: "too-large",
      why: `all that is to be applied holds ${formatBytes(bytes)}, and one apply takes ${formatBytes(most)}; this is the largest`,
      fix: "leave something out with --path '!PATH', or raise max_bytes in [stage]",
      ...rules.place("max_bytes"),
    },
  ];
}
