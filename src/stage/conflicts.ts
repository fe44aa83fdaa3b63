/**
 * In: what the agent changed, and looks at the workspace. Out: every path at which both sides did something, with what
 * each did. Pure but for the looks.
 */
import type { BytePath } from "../util/byte-path.ts";
import { parentOf, pathText } from "../util/byte-path.ts";
import type { TreeEntry } from "../util/file-tree.ts";
import type { Difference } from "./compare.ts";
import { wordsFor } from "./compare.ts";

export interface Conflict {
  readonly path: BytePath;
  readonly agent: string;
  readonly workspace: string;
}

export interface ConflictLooks {
  real(path: BytePath): TreeEntry | undefined;
  /** Paths of all entries below a folder of the workspace. */
  realBelow(path: BytePath): readonly BytePath[];
}

export function conflictsOf(differences: readonly Difference[], looks: ConflictLooks): Conflict[] {
  const byPath = new Map(differences.map((each) => [each.path, each]));
  const found = new Map<BytePath, Conflict>();
  const add = (conflict: Conflict): void => {
    if (!found.has(conflict.path)) found.set(conflict.path, conflict);
  };
  for (const each of differences) {
    const { path, base, mine, real, moved } = each;
    const agent = wordsFor(base, mine);
    if (moved) add({ path, agent, workspace: wordsFor(base, real) });
    else if (mine !== undefined) {
      const way = lostWay(path, byPath, looks);
      if (way !== undefined) add({ path, agent, workspace: way });
    }
    if (real?.kind !== "folder" || mine?.kind === "folder") continue;
    const how = mine === undefined ? "deleted its folder" : `its folder turned into a ${mine.kind}`;
    for (const below of looks.realBelow(path)) {
      const known = byPath.get(below);
      if (known === undefined || known.mine !== undefined)
        add({ path: below, agent: how, workspace: "added" });
    }
  }
  return [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Why a path can no longer be reached in the workspace. */
function lostWay(
  path: BytePath,
  changed: ReadonlyMap<BytePath, Difference>,
  looks: ConflictLooks,
): string | undefined {
  for (let at = parentOf(path); at !== ""; at = parentOf(at)) {
    // What the agent made of it decides, and is judged by itself.
    if (changed.has(at)) return undefined;
    const real = looks.real(at);
    if (real?.kind === "folder") return undefined;
    const now = real === undefined ? "is gone" : `is a ${real.kind} now`;
    const above = parentOf(at);
    if (above === "" || looks.real(above)?.kind === "folder") return `its folder ${pathText(at)} ${now}`;
  }
  return undefined;
}
