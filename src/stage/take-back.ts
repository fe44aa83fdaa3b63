import type { StageSide } from "../model/stage.ts";
import { pathText } from "../util/byte-path.ts";
import type { ApplyOutcome, Approve, StageContext, Wanted } from "./actions.ts";
import { aboutOf, toldConflict, withStage } from "./actions.ts";
import { appliedIds, settle } from "./carry-out.ts";
import { naming } from "./describe.ts";
import type { Saved } from "./journal.ts";
import { beginReversal, planReversal } from "./reverse.ts";
import type { Stage } from "./stage.ts";

/** Takes the last apply back, or a part of it. The changes are in the stage again. */
export async function reverseStage(
  stage: Stage,
  context: StageContext,
  wanted: Wanted,
  approve: Approve,
): Promise<ApplyOutcome> {
  return await withStage(stage, context, async () => {
    const last = (await appliedIds(stage)).at(-1);
    const nothing: Pick<ApplyOutcome, "status" | "apply_id" | "applied"> = {
      status: "nothing",
      apply_id: null,
      applied: [],
    };
    const base = { stage: aboutOf(stage), left: [], conflicts: [], refusals: [] };
    if (last === undefined) return { ...base, ...nothing };
    const reversal = await planReversal(stage, last, (path) => wanted(pathText(path)));
    const { chosen, left, conflicts } = reversal;
    const outcome: ApplyOutcome = {
      ...base,
      status: "reversed",
      apply_id: last,
      applied: chosen.map(({ path, before, after }) => ({
        ...naming(path),
        change: after === null ? "added" : before === null ? "deleted" : "modified",
        before: after && sideOf(after),
        after: before && sideOf(before),
        renamed_from: null,
        binary: false,
        lines_added: null,
        lines_deleted: null,
        ignored: false,
      })),
      left: left.map(({ path }) => pathText(path)),
      conflicts: conflicts.map(toldConflict),
    };
    if (conflicts.length > 0) return { ...outcome, ...nothing, status: "refused" };
    if (chosen.length === 0) return { ...outcome, ...nothing };
    if (!(await approve(outcome))) return { ...outcome, ...nothing, status: "declined" };
    const id = context.newId();
    await settle(stage, await beginReversal(stage, reversal, { id, now: context.now() }));
    return outcome;
  });
}

function sideOf({ kind, mode, size, sha256, target }: Saved): StageSide {
  const octal = kind === "link" ? null : mode.toString(8).padStart(4, "0");
  return { kind, mode: octal, size, sha256, target: target === null ? null : pathText(target) };
}
