/**
 * Which of two sides wins. In: both, what they had, and of which paths one side is to win over the other. Out: the look as
 * if the other had done nothing there, and what of its doing is lost. Pure.
 */
import type { SyncBase } from "../../state/sync-base.ts";
import type { BytePath } from "../../util/byte-path.ts";
import { parentOf } from "../../util/byte-path.ts";
import type { WorkspaceTree } from "../../util/open-workspace.ts";
import type { LookInput, Sides, SyncConflict, SyncLook } from "./look.ts";
import { compareSides } from "./look.ts";

export interface Won {
  readonly look: SyncLook;
  readonly overwritten: readonly SyncConflict[];
}

/** With `push` this side wins, with `pull` the other. */
export function winOver(
  sides: Sides,
  known: Pick<LookInput, "base" | "rules">,
  way: "push" | "pull",
  wanted: (path: BytePath) => boolean,
): Won {
  const loser = way === "push" ? sides.there : sides.here;
  let look = compareSides(sides, known, wanted);
  // Where nothing says what both had, either all of it is settled or nothing is.
  if (known.base === undefined && look.conflicts.length > 0) {
    if (look.conflicts.some(({ path }) => !wanted(path))) return { look, overwritten: [] };
    const base: SyncBase = new Map();
    for (const path of loser.keys()) concede(base, path, loser);
    return { look: compareSides(sides, { ...known, base }), overwritten: look.conflicts };
  }
  const base: SyncBase = new Map(known.base);
  const lost = new Map<BytePath, SyncConflict>();
  for (;;) {
    const more = look.conflicts.filter(({ path }) => wanted(path) && !lost.has(path));
    if (more.length === 0) return { look, overwritten: [...lost.values()] };
    for (const each of more) {
      lost.set(each.path, each);
      concede(base, each.path, loser);
      // A folder that the loser has no more, or something else in its place, stands in the way of what is in it.
      for (let at = parentOf(each.path); at !== ""; at = parentOf(at))
        if (base.get(at)?.kind !== loser.get(at)?.kind) concede(base, at, loser);
    }
    look = compareSides(sides, { ...known, base }, wanted);
  }
}

/** What the loser has counts as what both had, so that it did nothing. */
function concede(base: SyncBase, path: BytePath, loser: WorkspaceTree): void {
  const entry = loser.get(path);
  if (entry === undefined) base.delete(path);
  else if (entry.kind !== "other") {
    const { kind, mode, size, sha256, target } = entry;
    base.set(path, {
      kind,
      mode,
      size,
      sha256,
      ...(target === undefined ? {} : { target }),
      here: "",
      there: "",
    });
  }
}
