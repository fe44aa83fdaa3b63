/**
 * In: who runs what, and streams. Out: the run's manifest, which the ledger keeps with the output. A ready runtime is
 * used as it is, under a short address lock only; a missing or dormant one is first made ready by the same flow as every
 * apply. It plans nothing by itself.
 */
import type { ExecHandle } from "../drivers/driver.ts";
import type { KeyPath } from "../model/source.ts";
import { hasKind, SandkeepError, toError } from "../errors.ts";
import { driverDeps } from "../plan/engine.ts";
import type { Invalid } from "../policy/fleet.ts";
import type { Engine } from "../reconcile.ts";
import { recordActivity } from "../state/activity.ts";
import { fleetState } from "../state/directory.ts";
import { solidSpellings } from "../util/secret-spellings.ts";
import type { ArtifactPlace } from "./artifacts.ts";
import type { BinRequest, PlacedBin } from "./bin.ts";
import { placeOnHost } from "./bin.ts";
import { targetOf } from "./claim.ts";
import type { RunIo, RunRequest } from "./command.ts";
import { awaitEnd } from "./command.ts";
import { configCommit } from "./config-commit.ts";
import type { EndedRun, Run } from "./ending.ts";
import { artifactsOf, atTheEnd, finish } from "./ending.ts";
import { removeEphemeral, tellKept } from "./ephemeral.ts";
import { callerEnvironment, secretValues } from "./environment.ts";
import type { Inside, Reach } from "./hold.ts";
import { hold, ON_HOST, placedAt, remoteWorkspace } from "./hold.ts";
import type { Outcome } from "./exit-class.ts";
import { inputOf } from "./input.ts";
import type { RunHead, RunRecord } from "./record.ts";
import { recordRefusal, recordRun } from "./record.ts";
import type { Target } from "./ready.ts";
import { makeRunId } from "./run-id.ts";
import { execInTurn } from "./turn.ts";
import { chooseWhere } from "./where.ts";

type Ran = { readonly status: "ran"; readonly manifest: EndedRun };

export async function runCommand(engine: Engine, request: RunRequest, io: RunIo): Promise<Ran | Invalid> {
  const run_id = request.runId ?? makeRunId(engine.now(), engine.randomId());
  const chosen = await chooseWhere(engine, request, run_id);
  if (chosen.status === "invalid") return chosen;
  const { config, whom, where } = chosen;
  const state = fleetState(engine.stateDir, config.fleet.fleet);
  const commit = configCommit(config.loaded, engine.env);
  const run: Run = { engine, config, whom, request, io, run_id, state, commit };
  const manifest = where.at === "host" ? await onHost(run, where.why) : await runStaged(run, where);
  return { status: "ran", manifest };
}

/** What the command writes to its workspace is collected, and the rules have a look at it once it has ended. */
async function runStaged(run: Run, where: Inside): Promise<EndedRun> {
  const { engine, config, whom } = run;
  const { writes, workspace } = whom.agent.settings;
  const { stages } = engine;
  if (writes !== "staged" || stages === undefined) return await runInside(run, where);
  const stage = { fleet: config.fleet.fleet, address: where.address, source: workspace.source };
  // What is kept on another machine follows once that is within reach.
  const module = config.modules[whom.agent.settings.backend];
  const host = config.fleet.hosts[whom.agent.settings.host ?? ""];
  if (module?.provider(whom.agent.settings, host) !== "volume") await stages.beforeRun(stage);
  const manifest = await runInside(run, where);
  try {
    const rules = { settings: config.fleet.stage, locate: (key: KeyPath) => config.loaded.locate(key) };
    const last = where.at === "ephemeral" && !where.wish.keep;
    const notes = await stages.afterRun(stage, rules, last);
    for (const note of notes) engine.sink.notify({ type: "note", ...note });
  } catch (thrown) {
    const message = `what the run left in its stage could not be looked at: ${toError(thrown).message}`;
    engine.sink.notify({ type: "note", level: "warn", code: "STAGE_NOT_SEEN", message });
  }
  return manifest;
}

async function onHost(run: Run, why: string): Promise<EndedRun> {
  const { engine, io, request, whom } = run;
  const { settings } = whom.agent;
  const message = `not sandboxed: ${why}`;
  engine.sink.notify({ type: "note", level: "warn", code: "NOT_SANDBOXED", message });
  const mode = request.envMode ?? "inherit";
  const cwd = settings.workspace.source;
  const secrets = await orRefused(run, { ...ON_HOST, cwd }, {}, () => secretsOf(run));
  const given = { ...callerEnvironment(engine.env, mode), ...settings.env, ...secrets, ...request.env };
  const terminal = request.tty !== undefined;
  const placed = await orRefused(run, { ...ON_HOST, cwd }, secrets, () =>
    binOf(run, (bin) => placeOnHost(bin, given)),
  );
  await using _bin = atTheEnd(run, async () => placed?.[Symbol.asyncDispose]());
  const env = placed === undefined ? given : { ...given, PATH: placed.path };
  const record = await begin(run, { ...ON_HOST, cwd, bin: placed?.bin ?? null }, secrets, !terminal);
  const place = { at: "folder", folder: cwd } as const;
  return await follow(run, record, { place, secrets }, async () => {
    const { runOnHost } = await import("./host-command.ts");
    const handle = runOnHost(request, { ...io, ...record.output }, { cwd, env });
    if (terminal) io.onHostTerminal?.();
    else io.onStart?.(handle);
    return handle;
  });
}

async function runInside(run: Run, where: Inside): Promise<EndedRun> {
  const { engine, config, request, io, state } = run;
  const target = where.at === "kept" ? where.target : targetOf(run, where.address);
  const { address, backend, host } = target;
  const module = config.modules[backend];
  if (module === undefined) throw new SandkeepError(`no driver for ${backend}`, { code: "UNKNOWN_BACKEND" });
  const nowhere = { ...placedAt(target), cwd: null };
  const secrets = await orRefused(run, nowhere, {}, () => secretsOf(run));
  const place = host === undefined ? undefined : config.fleet.hosts[host];
  const driver = await module.open(place, driverDeps(engine));
  await using _open = atTheEnd(run, () => driver[Symbol.asyncDispose]());
  const claimed = await orRefused(run, nowhere, secrets, () => hold(run, where, { driver, module }, target));
  const { build, ticket } = claimed;
  await using _turn = atTheEnd(run, async () => ticket?.[Symbol.asyncDispose]());
  let back = true;
  await using _gone = atTheEnd(run, () => leave(run, build === undefined && back ? where : undefined));
  await using _back = atTheEnd(run, async () => {
    back = await fetchBack(run, { driver, module }, target, claimed.place.object_id);
  });
  await using _busy = atTheEnd(run, () => claimed.handle[Symbol.asyncDispose]());
  let used: Promise<void> | undefined;
  const use = (): Promise<void> => (used ??= recordActivity(state, address, engine.now()));
  await using _used = atTheEnd(run, use);
  const there = { ...claimed.place, cwd: null };
  const placed = await orRefused(run, there, secrets, () => binOf(run, (bin) => claimed.placeBin(bin)));
  await using _bin = atTheEnd(run, async () => placed?.[Symbol.asyncDispose]());
  const record = await begin(run, { ...there, bin: placed?.bin ?? null }, secrets, true);
  // Beside what else is written down of the end.
  const onEnd = (): void => void use().catch(() => undefined);
  const left = { place: claimed.artifacts, secrets, onEnd };
  return await follow(run, record, left, async () => {
    const exec = (): Promise<ExecHandle> =>
      driver.exec({
        objectId: claimed.place.object_id ?? address,
        ...(build === undefined ? {} : { build }),
        argv: request.argv,
        env: { ...secrets, ...request.env, ...pathWith(placed, request) },
        ...(request.tty === undefined ? {} : { tty: request.tty }),
        ...inputOf(run, module.capabilities),
        stdout: record.output?.stdout ?? io.stdout,
        stderr: record.output?.stderr ?? io.stderr,
      });
    const handle = await execInTurn(ticket, exec);
    io.onStart?.(handle);
    return handle;
  });
}

/** What the agent did elsewhere is brought into its stage here. False where it is only there. */
async function fetchBack(run: Run, reach: Reach, target: Target, objectId: string | null): Promise<boolean> {
  const { engine } = run;
  if (run.whom.agent.settings.writes !== "staged" || objectId === null) return true;
  const request = await remoteWorkspace(run, reach, target, { object_id: objectId, execs: 0 });
  try {
    if (request !== undefined) await engine.stages?.fetchBack(request);
    return true;
  } catch (thrown) {
    const message = `what the run left could not be fetched, and is kept where it is: ${toError(thrown).message}`;
    engine.sink.notify({ type: "note", level: "warn", code: "STAGE_NOT_FETCHED", message });
    return false;
  }
}

/** What was made for this run goes with it. */
async function leave({ engine, config }: Run, where: Inside | undefined): Promise<void> {
  if (where?.at !== "ephemeral") return;
  if (where.wish.keep) tellKept(engine, config, where.wish);
  else await removeEphemeral(engine, config, where.address);
}

async function binOf(
  { request, engine, run_id }: Run,
  place: (bin: BinRequest) => Promise<PlacedBin>,
): Promise<PlacedBin | undefined> {
  const { bin: path } = request;
  return path === undefined ? undefined : await place({ path, cwd: engine.cwd, runId: run_id });
}

/** Also before a PATH that was given with the command. */
function pathWith(placed: PlacedBin | undefined, { env }: RunRequest): Record<string, string> {
  if (placed === undefined) return {};
  const [folder = ""] = placed.path.split(":");
  return { PATH: env["PATH"] === undefined ? placed.path : `${folder}:${env["PATH"]}` };
}

/** A clean environment has none of the agent's secrets. */
async function secretsOf({ engine, config, whom, request }: Run): Promise<Record<string, string>> {
  return request.envMode === "clean" ? {} : await secretValues(engine, config, whom);
}

/** Everything that no log, record or artifact may hold. */
const hidden = (secrets: Readonly<Record<string, string>>) => solidSpellings(Object.values(secrets));

type Place = Pick<RunHead, keyof typeof ON_HOST | "cwd"> & Partial<Pick<RunHead, "bin">>;

/** What could not even begin was asked for all the same, so it is in the ledger, too. */
async function orRefused<T>(
  run: Run,
  where: Place,
  secrets: Readonly<Record<string, string>>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const known = { head: await headOf(run, where, secrets), secrets: hidden(secrets) };
    // Nothing ran; why that is so is what the caller must hear.
    await recordRefusal(run.state, known, failed("not-started", thrown)).catch(() => undefined);
    throw thrown;
  }
}

function failed(failure: NonNullable<Outcome["failure"]>, thrown: unknown) {
  const { message } = toError(thrown);
  const code = thrown instanceof SandkeepError ? thrown.code : "INTERNAL";
  return { exitCode: null, timedOut: false, cancelled: false, failure, error: { code, message } };
}

/** In the ledger from here on. */
async function begin(
  run: Run,
  where: Place,
  secrets: Readonly<Record<string, string>>,
  logged: boolean,
): Promise<RunRecord> {
  const { engine, io, config, state } = run;
  return await recordRun(state, {
    head: await headOf(run, where, secrets),
    secrets: hidden(secrets),
    readers: logged ? { stdout: io.stdout, stderr: io.stderr } : undefined,
    maxLog: config.fleet.runs.max_log,
    elapsed: () => engine.wait.elapsed(),
  });
}

async function headOf(run: Run, where: Place, secrets: Readonly<Record<string, string>>): Promise<RunHead> {
  const { engine, request, whom, run_id } = run;
  const { loaded } = run.config;
  return {
    bin: null,
    ...where,
    run_id,
    source: request.source ?? "cli",
    agent: whom.agent.name,
    session: whom.session,
    ephemeral: ephemeralOf(request),
    argv: [...request.argv],
    env: {
      mode: request.envMode ?? "inherit",
      names: Object.keys(request.env).toSorted(),
      secrets: Object.keys(secrets).toSorted(),
    },
    tty: request.tty !== undefined,
    config: { file: loaded.files.length === 0 ? null : loaded.rootFile, ...(await run.commit) },
    started_at: new Date(engine.now()).toISOString(),
    timeout_ms: request.timeoutMs ?? null,
    tool_version: engine.toolVersion,
  };
}

function ephemeralOf({ ephemeral }: RunRequest): RunHead["ephemeral"] {
  if (ephemeral === undefined) return null;
  const { image = null, backend = null, keep } = ephemeral;
  return { image, backend, keep };
}

/** What a command leaves when it has ended. */
interface Left {
  readonly place: ArtifactPlace;
  readonly secrets: Readonly<Record<string, string>>;
  /** Is told that it has; never throws. */
  readonly onEnd?: () => void;
}

/** Starts the command and writes down how it ended, whatever that is. */
async function follow(
  run: Run,
  record: RunRecord,
  left: Left,
  start: () => Promise<ExecHandle>,
): Promise<EndedRun> {
  let begun = false;
  try {
    run.io.onRecorded?.(record.began);
    const handle = await start();
    begun = true;
    const ended = await awaitEnd(handle, run.request.timeoutMs, record.cancelled);
    record.over();
    left.onEnd?.();
    const artifacts = await artifactsOf(run, record, left.place, hidden(left.secrets));
    return await finish(run, record, { ...ended, artifacts });
  } catch (thrown) {
    // Denied to the caller alone it would have been before now.
    const denied = hasKind(thrown, "denied");
    await record.finish(failed(denied ? "refused" : begun ? "backend-lost" : "not-started", thrown));
    throw thrown;
  }
}
