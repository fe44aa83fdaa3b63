/**
 * What runtimes with staged writes need of their stages, as the engine is handed it. In: whose stage. Out: a stage that
 * can be worked in before a run, and after it what the rules apply by themselves and what is left for a person.
 */
import { existsSync } from "node:fs";
import { SandkeepError } from "../errors.ts";
import type { BringRequest, StageKeeper, StageNote, StageRequest } from "../plan/stage-keeper.ts";
import { lockAddress } from "../state/address-lock.ts";
import { fleetState } from "../state/directory.ts";
import { readOpenRuns } from "../state/open-runs.ts";
import { pathText } from "../util/byte-path.ts";
import type { StageOwner } from "../util/stage-place.ts";
import type { StageContext } from "./actions.ts";
import { countsOf, hasChanges, lookAtStage } from "./actions.ts";
import { appliedIds, applyDifferences, recover } from "./carry-out.ts";
import { kindOf } from "./compare.ts";
import type { Difference } from "./compare.ts";
import { followIfClean, recoverDiscard } from "./discard.ts";
import { foreseeMechanism } from "./mechanism.ts";
import { underWay } from "./journal.ts";
import { openStage } from "./open.ts";
import { stageRules } from "./rules.ts";
import type { Stage } from "./stage.ts";
import { dropStage, readStage, writeMeta } from "./stage.ts";
import { openTrees, surveyStage } from "./survey.ts";
import { bringThere } from "./sync/bring.ts";
import { fetchIntoStage, sendFromStage } from "./sync/mirror.ts";

export interface KeeperDeps {
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  now(): number;
  /** Random lowercase hex, 16 characters. */
  randomId(): string;
}

const LOCK_WAIT_MS = 60_000;

export function stageKeeper(deps: KeeperDeps): StageKeeper {
  return {
    open: async (request) => void (await opened(deps, request)),
    beforeRun: (request) => beforeRun(deps, request),
    afterRun: (request, rules, last) => afterRun(deps, request, rules, last),
    bringThere: (request) =>
      request.staged
        ? bringStage(deps, request)
        : bringThere(deps, applyId(deps.now(), deps.randomId()), request),
    fetchBack: (request) => fetchBack(deps, request),
    collect: (request) => collect(deps, request),
    foresee: (request) => foresee(deps, request),
    leave: (owner) => leave(deps, owner),
    unapplied: (owner) => unapplied(deps, owner),
  };
}

/** `20261121T080000000Z-1a2b3c4d`: sorts by time. */
export function applyId(now: number, random: string): string {
  return `${new Date(now).toISOString().replace(/[-:.]/g, "")}-${random.slice(0, 8)}`;
}

async function opened(deps: KeeperDeps, request: StageRequest): Promise<Stage> {
  if (process.platform !== "linux") {
    throw new SandkeepError(
      'writes = "staged" needs Linux: elsewhere no folder can be held open against swapped links',
      {
        code: "STAGE_PLATFORM",
        hint: 'set writes = "direct", or run sandkeep on Linux',
      },
    );
  }
  const { stateDir } = deps;
  return await openStage({ ...request, stateDir, id: deps.randomId(), now: deps.now() });
}

/** The stage has all that the agent did there, follows the workspace where that is nothing, and is there again. */
async function bringStage(deps: KeeperDeps, request: BringRequest): Promise<readonly StageNote[]> {
  const stage = await opened(deps, request);
  await recover(stage);
  if (request.busy > 0) return [];
  await fetchIntoStage(deps, applyId(deps.now(), deps.randomId()), request);
  await recoverDiscard(stage, deps.now());
  await followIfClean(stage, deps.now());
  await sendFromStage(deps, applyId(deps.now(), deps.randomId()), request);
  return [];
}

async function fetchBack(deps: KeeperDeps, request: BringRequest): Promise<void> {
  const stage = await readStage(deps.stateDir, request);
  if (stage === undefined) return;
  const state = fleetState(deps.stateDir, request.fleet);
  await using _lock = await lockAddress(state, request.address, { waitMs: LOCK_WAIT_MS });
  await recover(stage);
  // Whoever ends last fetches what all of them left.
  if ((await openRunsIn(deps, request)) > 0) return;
  const { source } = stage.meta;
  await fetchIntoStage(deps, applyId(deps.now(), deps.randomId()), { ...request, source, busy: 0 });
}

async function collect(deps: KeeperDeps, request: BringRequest): Promise<void> {
  // Without one here, only a copy that is as the workspace is can go.
  const stage = (await readStage(deps.stateDir, request)) ?? (await opened(deps, request));
  await recover(stage);
  await fetchIntoStage(deps, applyId(deps.now(), deps.randomId()), { ...request, busy: 0 });
}

async function openRunsIn(deps: KeeperDeps, { fleet, address }: StageRequest): Promise<number> {
  const runs = await readOpenRuns(fleetState(deps.stateDir, fleet), deps.now());
  return runs.filter((each) => each.address === address).length;
}

async function beforeRun(deps: KeeperDeps, request: StageRequest): Promise<void> {
  const stage = await readStage(deps.stateDir, request);
  // Its runtime is still to be made, or to be made anew: then it is opened with that.
  if (stage === undefined || stage.meta.source !== request.source) return;
  const state = fleetState(deps.stateDir, request.fleet);
  await using _lock = await lockAddress(state, request.address, { waitMs: LOCK_WAIT_MS });
  await recover(stage);
  if ((await openRunsIn(deps, request)) > 0) return;
  await recoverDiscard(stage, deps.now());
  await followIfClean(stage, deps.now());
}

async function afterRun(
  deps: KeeperDeps,
  request: StageRequest,
  told: Parameters<StageKeeper["afterRun"]>[1],
  last: boolean,
): Promise<readonly StageNote[]> {
  const { address, fleet } = request;
  const stage = await readStage(deps.stateDir, request);
  if (stage === undefined) return [];
  const state = fleetState(deps.stateDir, fleet);
  await using _lock = await lockAddress(state, address, { waitMs: LOCK_WAIT_MS });
  await recover(stage);
  // Whoever ends last looks at what all of them left.
  if ((await openRunsIn(deps, request)) > 0) return [];
  const rules = await stageRules(told.settings, told.locate);
  const context: StageContext = {
    state,
    env: deps.env,
    rules,
    now: () => deps.now(),
    newId: () => applyId(deps.now(), deps.randomId()),
    busy: async () => undefined,
  };
  const notes = rules.automatic ? await applyByRule(stage, context) : [];
  using look = await lookAtStage(stage, context, () => true);
  const left = look.decision.chosen;
  if (last && look.survey.differences.length === 0) await dropStage(stage.dir);
  if (left.length === 0) return notes;
  const { conflicts, refusals } = look.decision;
  const against = [
    ...(conflicts.length > 0 ? [`${conflicts.length} in conflict`] : []),
    ...(refusals.length > 0 ? [`${refusals.length} refused`] : []),
  ];
  const message = `${address}: ${[words(left), ...against].join(", ")}; sandkeep stage diff ${address} shows them`;
  return [...notes, { level: "info", code: "STAGED", message }];
}

function words(differences: readonly Difference[]): string {
  const { added, modified, deleted } = countsOf(
    differences.map(({ real, mine }) => ({ change: kindOf(real, mine) })),
  );
  const parts = [
    ...(added > 0 ? [`${added} added`] : []),
    ...(modified > 0 ? [`${modified} modified`] : []),
    ...(deleted > 0 ? [`${deleted} deleted`] : []),
  ];
  return `${differences.length} staged ${differences.length === 1 ? "change" : "changes"} (${parts.join(", ")})`;
}

/** What nothing stands against is applied as one; the rest waits for a person. */
async function applyByRule(stage: Stage, context: StageContext): Promise<readonly StageNote[]> {
  const { rules } = context;
  const bad = new Set<string>();
  // A path that is left out may have been what another one needs; each look leaves out more, so this ends.
  for (;;) {
    using look = await lookAtStage(stage, context, (path) => rules.isAutomatic(path) && !bad.has(path));
    const { chosen, conflicts, refusals } = look.decision;
    const outside = chosen.filter(
      ({ path }) => !rules.isAutomatic(pathText(path)) && !isNewFolder(path, chosen),
    );
    const found = [...conflicts, ...refusals, ...outside].map(({ path }) => pathText(path));
    if (found.length === 0) {
      if (chosen.length === 0) return [];
      await applyDifferences(stage, chosen, { id: context.newId(), now: context.now() });
      const message = `${stage.meta.address}: ${chosen.length} ${chosen.length === 1 ? "change" : "changes"} applied by [stage] auto_apply`;
      return [{ level: "info", code: "STAGE_APPLIED", message }];
    }
    const before = bad.size;
    for (const path of found) bad.add(path);
    if (bad.size === before) {
      const message = `${stage.meta.address}: auto_apply is put off: something stands against ${found.slice(0, 3).join(", ")}`;
      return [{ level: "warn", code: "STAGE_NOT_APPLIED", message }];
    }
  }
}

/** A folder that comes only because of what comes into it is part of that. */
function isNewFolder(path: string, chosen: readonly Difference[]): boolean {
  const folder = chosen.find((each) => each.path === path);
  return folder?.mine?.kind === "folder" && folder.real === undefined;
}

/** What was applied can be taken back as long as the stage is kept, so it is kept for that, too. */
async function leave({ stateDir }: KeeperDeps, owner: StageOwner): Promise<void> {
  const stage = await readStage(stateDir, owner);
  if (stage === undefined) return;
  const { engine: _gone, ...meta } = stage.meta;
  const used =
    existsSync(underWay(stage.dir)) ||
    (await hasChanges(stage).catch(() => true)) ||
    (await appliedIds(stage)).length > 0;
  if (used) await writeMeta(stage.dir, meta);
  else await dropStage(stage.dir);
}

async function unapplied({ stateDir }: KeeperDeps, owner: StageOwner): Promise<number | undefined> {
  const stage = await readStage(stateDir, owner);
  if (stage === undefined) return undefined;
  using trees = openTrees(stage);
  return (await surveyStage(stage, trees)).differences.length;
}

async function foresee(
  { stateDir }: KeeperDeps,
  { fleet, address, source }: Parameters<StageKeeper["foresee"]>[0],
): Promise<string> {
  const known =
    fleet === undefined || address === undefined ? undefined : await readStage(stateDir, { fleet, address });
  if (known !== undefined && known.meta.source === source)
    return `the agent's copy is kept by ${known.meta.mechanism}: ${known.meta.why}`;
  const { mechanism, why } = await foreseeMechanism(source, stateDir);
  return `the agent's copy will be kept by ${mechanism}: ${why}`;
}
