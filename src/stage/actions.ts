/**
 * What can be done with a stage, each whole by itself: shown, applied, taken back, thrown away, exported. In: where stages
 * are and whose is meant. Out: the answers that people and programs get. Whatever an earlier command left half done is
 * finished first, and nothing is done to a stage whose runtime is in use.
 */
import { hasCode, SandkeepError } from "../errors.ts";
import type {
  ShownChange,
  StageAbout,
  StageApply,
  StageChange,
  StageConflict,
  StageDiff,
  StageRefusal,
} from "../model/stage.ts";
import { lockAddress } from "../state/address-lock.ts";
import type { FleetState } from "../state/directory.ts";
import { readOpenRuns } from "../state/open-runs.ts";
import type { BytePath } from "../util/byte-path.ts";
import { pathText } from "../util/byte-path.ts";
import { applyDifferences, recover } from "./carry-out.ts";
import type { Conflict } from "./conflicts.ts";
import type { Decision, Refusal } from "./decide.ts";
import { decide } from "./decide.ts";
import { describe, naming } from "./describe.ts";
import { discard, recoverDiscard } from "./discard.ts";
import { unreadable } from "./fault.ts";
import { ignoredByGit } from "../util/git-ignored.ts";
import type { StageRules } from "./rules.ts";
import type { Stage } from "./stage.ts";
import type { StageSurvey, Trees } from "./survey.ts";
import { conflictLooks, openTrees, surveyStage } from "./survey.ts";

export interface StageContext {
  readonly state: FleetState;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly rules: StageRules;
  now(): number;
  /** Names an apply; sorts by time. */
  newId(): string;
  /** Why the runtime is in use, as its engine tells it; undefined when it is not. */
  busy(stage: Stage): Promise<string | undefined>;
}

export type Wanted = (path: string) => boolean;

const LOCK_WAIT_MS = 10_000;

/** A look at a stage: what differs, what an apply of what is wanted would do, and the trees to read it from. */
export interface Look extends Disposable {
  readonly trees: Trees;
  readonly survey: StageSurvey;
  readonly ignored: ReadonlySet<BytePath>;
  readonly decision: Decision;
}

export async function lookAtStage(stage: Stage, context: StageContext, wanted: Wanted): Promise<Look> {
  const trees = openTrees(stage);
  try {
    const survey = await surveyStage(stage, trees);
    const { differences, mine } = survey;
    const { rules } = context;
    const hint = 'make git work in the workspace, or set git_ignored = "include" in [stage]';
    const git = { source: stage.meta.source, real: trees.real, env: context.env, hint };
    const paths = differences.map(({ path, mine: now, real }) => ({
      path,
      isFolder: (now ?? real)?.kind === "folder",
    }));
    const ignored = rules.git_ignored === "exclude" ? await ignoredByGit(paths, git) : new Set<BytePath>();
    const looks = conflictLooks(trees, stage);
    const chosen = (path: BytePath): boolean => wanted(pathText(path));
    const decision = decide({ differences, mine, wanted: chosen, ignored, rules, looks });
    return { trees, survey, ignored, decision, [Symbol.dispose]: () => trees[Symbol.dispose]() };
  } catch (thrown) {
    trees[Symbol.dispose]();
    throw unreadable(stage.meta.source, thrown);
  }
}

export async function hasChanges(stage: Stage): Promise<boolean> {
  using trees = openTrees(stage);
  return (await surveyStage(stage, trees)).differences.length > 0;
}

export function aboutOf({ meta, tree }: Stage): StageAbout {
  const { id, fleet, address, source, mechanism, why, began_at } = meta;
  const began = new Date(began_at).toISOString();
  return { id, fleet, address, source, tree, mechanism, mechanism_why: why, began_at: began };
}

export const toldConflict = ({ path, ...rest }: Conflict): StageConflict => ({ ...naming(path), ...rest });
const toldRefusal = ({ path, ...rest }: Refusal): StageRefusal => ({ ...naming(path), ...rest });

/** Changes with their lines, one after another, and in the end the answer without them. */
export async function* diffStage(
  stage: Stage,
  context: StageContext,
  wanted: Wanted,
): AsyncGenerator<ShownChange, StageDiff> {
  using look = await lookAtStage(stage, context, wanted);
  const { conflicts, refusals } = look.decision;
  const shown = look.survey.differences.filter(({ path }) => wanted(pathText(path)));
  const changes: StageChange[] = [];
  for (const each of describe(shown, look.trees, look.ignored)) {
    changes.push(each.change);
    yield each;
  }
  return {
    stage: aboutOf(stage),
    changes,
    conflicts: conflicts.map(toldConflict),
    refusals: refusals.map(toldRefusal),
    totals: totalsOf(changes),
    exit_code: 0,
  };
}

export function countsOf(changes: readonly Pick<StageChange, "change">[]) {
  const count = (...kinds: readonly string[]): number =>
    changes.filter(({ change }) => kinds.includes(change)).length;
  return { added: count("added"), modified: count("modified", "mode", "type"), deleted: count("deleted") };
}

function totalsOf(changes: readonly StageChange[]): StageDiff["totals"] {
  const sum = (of: (each: StageChange) => number | null): number =>
    changes.reduce((all, each) => all + (of(each) ?? 0), 0);
  return {
    ...countsOf(changes),
    bytes: sum(({ after }) => after?.size ?? 0),
    lines_added: sum(({ lines_added }) => lines_added),
    lines_deleted: sum(({ lines_deleted }) => lines_deleted),
  };
}

/** Alone with the stage, nothing half done, and nobody at work in it. */
export async function withStage<T>(stage: Stage, context: StageContext, work: () => Promise<T>): Promise<T> {
  const { address } = stage.meta;
  await using _lock = await lockAddress(context.state, address, { waitMs: LOCK_WAIT_MS });
  await recover(stage);
  const runs = (await readOpenRuns(context.state, context.now())).filter((each) => each.address === address);
  const busy = runs[0] === undefined ? await context.busy(stage) : `run ${runs[0].run_id} goes on in it`;
  if (busy !== undefined) throw inUse(address, busy);
  await recoverDiscard(stage, context.now());
  return await work();
}

function inUse(address: string, why: string): SandkeepError {
  return new SandkeepError(`${address} is in use: ${why}`, {
    code: "STAGE_BUSY",
    kind: "transient",
    hint: "wait until it has ended, or end it: `sandkeep runs cancel`",
    exitCode: 75,
  });
}

export type ApplyOutcome = Omit<StageApply, "exit_code">;
export type Approve = (outcome: ApplyOutcome) => Promise<boolean>;

const REFUSED = 3;
export const exitOf = ({ status }: ApplyOutcome): number =>
  status === "refused" || status === "declined" ? REFUSED : 0;

/** All that is wanted, or nothing of it; what stands against it is told at once. */
export async function applyStage(
  stage: Stage,
  context: StageContext,
  wanted: Wanted,
  approve: Approve,
): Promise<ApplyOutcome> {
  return await withStage(stage, context, async () => {
    using look = await lookAtStage(stage, context, wanted);
    const { chosen, left, conflicts, refusals } = look.decision;
    const id = context.newId();
    const told = {
      stage: aboutOf(stage),
      left: left.map(({ path }) => pathText(path)),
      conflicts: conflicts.map(toldConflict),
      refusals: refusals.map(toldRefusal),
    };
    const none = { apply_id: null, applied: [] };
    if (conflicts.length + refusals.length > 0) return { ...told, ...none, status: "refused" };
    if (chosen.length === 0) return { ...told, ...none, status: "nothing" };
    // Only now: what is refused may be too large to be read.
    const applied = [...describe(chosen, look.trees, look.ignored)].map(({ change }) => change);
    const outcome: ApplyOutcome = { ...told, status: "applied", apply_id: id, applied };
    if (!(await approve(outcome))) return { ...outcome, ...none, status: "declined" };
    await applyDifferences(stage, chosen, { id, now: context.now() });
    return outcome;
  });
}

/** What is wanted, or everything, becomes what the workspace is. */
export async function discardStage(
  stage: Stage,
  context: StageContext,
  wanted: Wanted | "all",
  approve: (paths: readonly string[]) => Promise<boolean>,
): Promise<{
  readonly status: "discarded" | "nothing" | "declined";
  readonly discarded: string[];
  readonly left: string[];
}> {
  return await withStage(stage, context, async () => {
    const everything = wanted === "all";
    const seen = await lookForDiscard(stage, context, wanted);
    const [discarded, left] = [seen.chosen.map(pathText), seen.left.map(pathText)];
    if (discarded.length === 0 && !everything) return { status: "nothing", discarded: [], left };
    if (discarded.length > 0 && !(await approve(discarded)))
      return { status: "declined", discarded: [], left };
    await discard(stage, everything ? "all" : seen.chosen, context.now());
    return { status: discarded.length === 0 ? "nothing" : "discarded", discarded, left };
  });
}

interface Doomed {
  readonly chosen: readonly BytePath[];
  readonly left: readonly BytePath[];
}

/** Where nobody can tell any more what the agent changed, everything goes. */
async function lookForDiscard(stage: Stage, context: StageContext, wanted: Wanted | "all"): Promise<Doomed> {
  const rules: StageRules = { ...context.rules, git_ignored: "include" };
  try {
    using look = await lookAtStage(stage, { ...context, rules }, wanted === "all" ? () => true : wanted);
    const { chosen, left } = look.decision;
    return { chosen: chosen.map(({ path }) => path), left: left.map(({ path }) => path) };
  } catch (thrown) {
    const lost = hasCode(thrown, "STAGE_DAMAGED", "STAGE_IO");
    if (!lost || wanted !== "all") throw thrown;
    return { chosen: ["."], left: [] };
  }
}
