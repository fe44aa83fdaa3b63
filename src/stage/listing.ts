import { SandkeepError, toError } from "../errors.ts";
import type { StageList } from "../model/stage.ts";
import { readOpenRuns } from "../state/open-runs.ts";
import type { StageContext } from "./actions.ts";
import { aboutOf, countsOf, lookAtStage } from "./actions.ts";
import { appliedIds } from "./carry-out.ts";
import { kindOf } from "./compare.ts";
import { unfinished } from "./journal.ts";
import type { BrokenStage, Stage } from "./stage.ts";

/** One that cannot be looked at is told as that; the others are no worse for it. */
export async function listedStage(stage: Stage, context: StageContext): Promise<StageList["stages"][number]> {
  const { address, began_at } = stage.meta;
  const runs = await readOpenRuns(context.state, context.now());
  const base = {
    ...aboutOf(stage),
    age_s: Math.max(0, Math.round((context.now() - began_at) / 1000)),
    busy: runs.filter((each) => each.address === address).length,
    applied: [...(await appliedIds(stage))],
  };
  try {
    await unfinished(stage.dir);
    using look = await lookAtStage(stage, context, () => true);
    const changes = countsOf(
      look.survey.differences.map(({ real, mine }) => ({ change: kindOf(real, mine) })),
    );
    return { ...base, changes, conflicts: look.decision.conflicts.length, error: null, fix: null };
  } catch (thrown) {
    const changes = { added: 0, modified: 0, deleted: 0 };
    const { message } = toError(thrown);
    const fix = thrown instanceof SandkeepError ? (thrown.hint ?? null) : null;
    return { ...base, changes, conflicts: 0, error: message, fix };
  }
}

export function listedBroken({ address, dir, fault }: BrokenStage): StageList["broken"][number] {
  return { address, folder: dir, error: fault.message, fix: fault.hint ?? "" };
}
