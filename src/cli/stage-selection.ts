import { SandkeepError } from "../errors.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { ListedRuntime } from "../model/listing.ts";
import { parseAddress } from "../model/names.ts";
import { engineKey } from "../observe/engines.ts";
import { listFleet } from "../plan/listing.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import { loadFleet } from "../policy/fleet.ts";
import type { Engine } from "../reconcile.ts";
import { resolveStage } from "../resolve/stage.ts";
import { showEngine } from "../render/style.ts";
import { runtimeOf } from "../runs/whom.ts";
import type { StageContext } from "../stage/actions.ts";
import { applyId } from "../stage/keeper.ts";
import { stageRules } from "../stage/rules.ts";
import type { FleetStages, Stage } from "../stage/stage.ts";
import { listStages } from "../stage/stage.ts";
import { mirrorStage } from "../stage/sync/staged.ts";
import { fleetState } from "../state/directory.ts";
import { listWords } from "../util/suggestion.ts";
import { EXIT, usageError } from "./exit-codes.ts";
import type { Invocation } from "./invocation.ts";
import { addresses, textOption } from "./options.ts";

export interface StageRoom extends FleetStages {
  readonly status: "found";
  readonly context: StageContext;
  /** Whether it is named: by its address, or by its agent and session; all are where nothing is. */
  readonly isMeant: (address: string) => boolean;
  /** Of those that are meant, whose agent works on another machine that could not be asked what is new there: why. */
  readonly away: ReadonlyMap<string, unknown>;
  /** Where the agent works on another machine: its copy there is what the stage is. */
  readonly send: (stage: Stage) => Promise<void>;
  /** Where an agent's session has its stage, as the config says; undefined without a config. */
  readonly addressOf: (agent: string, session: string | undefined) => string | undefined;
}

/** The fleet's stages and rules, by its config, or with `--fleet` by the state directory alone. */
export async function findStages(
  invocation: Invocation,
  engine: Engine,
): Promise<StageRoom | { readonly status: "invalid"; readonly diagnostics: readonly Diagnostic[] }> {
  const { globals, cwd, env } = invocation;
  const { drivers, stateDir } = engine;
  const config =
    globals.fleet === undefined
      ? await loadFleet({ file: globals.file, cwd, env, drivers, stateDir })
      : undefined;
  if (config?.status === "invalid") return config;
  const fleet = config?.fleet.fleet ?? globals.fleet ?? "";
  const state = fleetState(stateDir, fleet);
  const settings = config?.fleet.stage ?? resolveStage(undefined);
  const rules = await stageRules(settings, (key) => config?.loaded.locate(key));
  const context: StageContext = {
    state,
    env,
    rules,
    now: () => engine.now(),
    newId: () => applyId(engine.now(), engine.randomId()),
    busy: ({ meta }) => busyAt(engine, globals, meta),
  };
  const addressOf: StageRoom["addressOf"] = (agent, session) =>
    config && runtimeOf(config.fleet, { agent, ...(session === undefined ? {} : { session }) });
  const isMeant = meantBy(invocation, addressOf);
  const found = await listStages(stateDir, fleet);
  const meant = found.stages.filter(({ meta }) => isMeant(meta.address));
  return {
    status: "found",
    context,
    ...found,
    isMeant,
    away: config === undefined ? new Map() : await fetchAll(engine, config, meant),
    send: async (stage) => (config === undefined ? undefined : mirrorStage(engine, config, stage, "send")),
    addressOf,
  };
}

function targetsOf({ args, globals }: Invocation): readonly string[] {
  const [, ...named] = args;
  return addresses([...named, ...globals.targets]);
}

function meantBy(invocation: Invocation, addressOf: StageRoom["addressOf"]): StageRoom["isMeant"] {
  const targets = targetsOf(invocation);
  const agent = textOption(invocation, "agent");
  const session = textOption(invocation, "session");
  const said = agent === undefined ? undefined : addressOf(agent, session);
  return (address) => {
    if (targets.length > 0) return targets.includes(address);
    if (agent === undefined) return true;
    const parts = parseAddress(address);
    const own = parts !== undefined && "agent" in parts && parts.agent === agent;
    const asked = session === undefined || (parts?.scope === "session" && parts.session === session);
    return address === said || (own && asked);
  };
}

/** Stages of one host go over connections of their own, and a host takes only so many that begin together. */
const AT_ONCE = 4;

/** What agents did on other machines is in their stages; what stands against that is told, and kept. */
async function fetchAll(
  engine: Engine,
  config: LoadedFleet,
  stages: readonly Stage[],
): Promise<ReadonlyMap<string, unknown>> {
  const { default: PQueue } = await import("p-queue");
  const queue = new PQueue({ concurrency: AT_ONCE });
  // None goes on behind the back of one that fails.
  const ended = await Promise.allSettled(
    stages.map((stage) => queue.add(() => mirrorStage(engine, config, stage, "fetch"))),
  );
  const away = new Map<string, unknown>();
  for (const [at, { meta }] of stages.entries()) {
    const outcome = ended[at];
    if (outcome?.status !== "rejected") continue;
    const thrown: unknown = outcome.reason;
    if (!(thrown instanceof SandkeepError)) throw thrown;
    away.set(meta.address, thrown);
    const message = `${meta.address}: what is new on its own machine is not in it: ${thrown.message}`;
    engine.sink.notify({ type: "note", level: "warn", code: "STAGE_NOT_FETCHED", message });
  }
  return away;
}

/** What only the engine can tell: a command that somebody else runs inside. One that could not be seen is no answer. */
async function busyAt(
  engine: Engine,
  { file, fleet }: Invocation["globals"],
  { address, engine: home }: Stage["meta"],
): Promise<string | undefined> {
  const place = { ...(file === undefined ? {} : { file }), ...(fleet === undefined ? {} : { fleet }) };
  const outcome = await listFleet(engine, { ...place, all: true });
  if (outcome.status === "invalid") throw unobserved(address, "the config is no longer valid");
  const { runtimes, orphans, unobserved: away } = outcome.listing;
  const rows = [...runtimes, ...orphans].filter((each) => each.address === address);
  if (rows.some((each) => each.busy)) return "its engine reports a command that runs in it";
  if (rows.some((each) => each.object_id !== null)) return undefined;
  // Where nobody declares it, the engine that it was made on may hold it, and where that is not known, any.
  const [row] = rows;
  const isHome = (each: Parameters<typeof engineKey>[0]): boolean =>
    home === undefined ? !outcome.complete : engineKey(each) === engineKey(home);
  if (
    home !== undefined &&
    row === undefined &&
    !outcome.asked.has(engineKey(home)) &&
    (await couldTell(engine, home.backend))
  )
    throw unobserved(
      address,
      `${showEngine(home.backend, home.host)}, where it was made, is not in the config any more`,
    );
  const mine = away.filter((each) => (row === undefined ? isHome(each) : isWaitingFor(row, each)));
  const telling: typeof mine = [];
  for (const each of mine) if (await couldTell(engine, each.backend)) telling.push(each);
  if (telling.length === 0) return undefined;
  const engines = telling.map((each) => `${showEngine(each.backend, each.host)} (${each.message})`);
  throw unobserved(address, `${listWords(engines)} could not be seen`);
}

function isWaitingFor(
  row: ListedRuntime,
  { backend, host }: { readonly backend: string; readonly host: string },
): boolean {
  return row.status === "unreachable" && row.backend === backend && row.host === host;
}

/** Whether such an engine knows of commands that are not in this machine's records. */
async function couldTell({ drivers, env }: Engine, backend: string): Promise<boolean> {
  const module = await drivers[backend]?.();
  if (module?.capabilities.reports_execs === false) return false;
  return (await module?.installed?.(env)) ?? true;
}

function unobserved(address: string, why: string): SandkeepError {
  return new SandkeepError(`whether a command runs in ${address} is not known: ${why}`, {
    code: "BACKEND_UNOBSERVED",
    kind: "unreachable",
    hint: "nothing was changed; try again when its engine answers",
    exitCode: EXIT.unreachable,
  });
}

/** The stage that is meant: by its address, by an agent, or the only one there is. */
export async function chooseStage(
  invocation: Invocation,
  room: StageRoom,
  hasChanges: (stage: Stage) => Promise<boolean>,
): Promise<Stage> {
  const { stages, broken, isMeant } = room;
  const [action] = invocation.args;
  const targets = targetsOf(invocation);
  if (targets.length > 1) throw usageError("more than one stage is named", "Name one at a time.");
  const agent = textOption(invocation, "agent");
  const said = targets[0] ?? (agent && room.addressOf(agent, textOption(invocation, "session")));
  const mine = stages.filter(({ meta }) => isMeant(meta.address));
  const [only, ...others] = mine;
  const lost = broken.find(({ address }) => isMeant(address));
  if (only === undefined && lost !== undefined) throw lost.fault;
  if (only === undefined) throw noStage(said ?? agent, stages);
  const settles = action === "apply" || action === "discard";
  // Nothing is applied or thrown away that nobody has seen.
  for (const { meta } of mine) if (settles && room.away.has(meta.address)) throw room.away.get(meta.address);
  if (others.length === 0) return only;
  const changed: Stage[] = [];
  for (const each of mine) if (await hasChanges(each)) changed.push(each);
  const [first, ...more] = changed;
  if (first !== undefined && more.length === 0) return first;
  const words = listWords((changed.length === 0 ? mine : changed).map(({ meta }) => meta.address));
  throw usageError("which stage is meant is not clear", `Name one: ${words}.`);
}

function noStage(of: string | undefined, stages: readonly Stage[]): SandkeepError {
  const have = listWords(stages.map(({ meta }) => meta.address));
  return new SandkeepError(of === undefined ? "there is no stage" : `${of} has no stage`, {
    code: "NO_STAGE",
    hint:
      stages.length === 0
        ? 'a sandbox with writes = "staged" has one from when it is made'
        : `there is one of ${have}`,
    exitCode: 64,
  });
}
