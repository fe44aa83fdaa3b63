/**
 * In: who runs what, and streams. Out: the run's manifest. A ready runtime is used as it is, under a short address lock
 * only; a missing or dormant one is first made ready by the same flow as every apply. It plans nothing by itself.
 */
import { placeSession } from "../desire/sessions.ts";
import { runtimeName } from "../desire/identity.ts";
import type { Driver } from "../drivers/driver.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError, toError } from "../errors.ts";
import type { Address } from "../model/names.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import type { RunManifest } from "../model/run.ts";
import { secretIo } from "../plan/secrets.ts";
import { driverDeps } from "../plan/survey.ts";
import type { Invalid, LoadedFleet } from "../policy/fleet.ts";
import { loadFleet } from "../policy/fleet.ts";
import type { Engine } from "../reconcile.ts";
import { resolveSecret } from "../resolve/secrets.ts";
import { recordActivity } from "../state/activity.ts";
import { lockAddress } from "../state/address-lock.ts";
import type { FleetState } from "../state/directory.ts";
import { fleetState } from "../state/directory.ts";
import type { OpenRunHandle } from "../state/open-runs.ts";
import { openRun } from "../state/open-runs.ts";
import { formatDuration } from "../util/duration.ts";
import type { RunIo, RunRequest } from "./command.ts";
import { awaitEnd } from "./command.ts";
import { runOnHost } from "./host-command.ts";
import type { Target } from "./ready.ts";
import { findReady, makeReady } from "./ready.ts";
import type { Whom } from "./whom.ts";
import { chooseSession } from "./whom.ts";

const LOCK_WAIT_MS = 60_000;
/** Between waking and using a runtime somebody may take it away again; then it is woken again, this often. */
const ATTEMPTS = 3;

type Ran = { readonly status: "ran"; readonly manifest: RunManifest };

export async function runCommand(engine: Engine, request: RunRequest, io: RunIo): Promise<Ran | Invalid> {
  const { cwd, env, drivers, stateDir } = engine;
  const config = await loadFleet({ file: request.file, cwd, env, drivers, stateDir });
  if (config.status === "invalid") return config;
  const whom = chooseSession(config.fleet, request);
  const placement = placeSession(whom.agent.settings, whom.agent.name, whom.session);
  const run: Run = { engine, config, whom, request, io, run_id: engine.randomId() };
  const manifest = placement.sandboxed
    ? await runInside(run, placement.address)
    : await onHost(run, placement.why);
  return { status: "ran", manifest };
}

interface Run {
  readonly engine: Engine;
  readonly config: LoadedFleet;
  readonly whom: Whom;
  readonly request: RunRequest;
  readonly io: RunIo;
  readonly run_id: string;
}

async function onHost(run: Run, why: string): Promise<RunManifest> {
  const { engine, io, request, whom } = run;
  const { settings } = whom.agent;
  engine.sink.notify({
    type: "note",
    level: "warn",
    code: "NOT_SANDBOXED",
    message: `not sandboxed: ${why}`,
  });
  const secrets = await secretValues(run);
  const env = { ...engine.env, ...settings.env, ...secrets };
  const started = engine.now();
  const handle = runOnHost(request, io, { cwd: settings.workspace.source, env });
  if (request.tty === undefined) io.onStart?.(handle);
  else io.onHostTerminal?.();
  const ended = await awaitEnd(handle, request.timeoutMs);
  const place = {
    sandboxed: false,
    address: null,
    backend: null,
    host: null,
    object_id: null,
    spec_hash: null,
  };
  return manifestOf(run, started, ended, place);
}

async function runInside(run: Run, address: Address): Promise<RunManifest> {
  const { engine, config, whom, request, io } = run;
  const { settings } = whom.agent;
  const { fleet, name_prefix, hosts } = config.fleet;
  const module = config.modules[settings.backend];
  if (module === undefined)
    throw new SandkeepError(`no driver for ${settings.backend}`, { code: "UNKNOWN_BACKEND" });
  const { backend, host } = settings;
  const target: Target = { address, backend, host, name: runtimeName(name_prefix, fleet, address) };
  const secrets = await secretValues(run);
  const driver = await module.open(host === undefined ? undefined : hosts[host], driverDeps(engine));
  await using _open = atTheEnd(run, () => driver[Symbol.asyncDispose]());
  const state = fleetState(engine.stateDir, fleet);
  const claimed = await claim(run, state, driver, target);
  await using _busy = atTheEnd(run, () => claimed.handle[Symbol.asyncDispose]());
  await using _used = atTheEnd(run, () => recordActivity(state, address, engine.now()));
  const { object_id, labels } = claimed.runtime;
  const started = engine.now();
  const handle = await driver.exec({
    objectId: object_id,
    argv: request.argv,
    env: { ...secrets, ...request.env },
    ...(request.tty === undefined ? {} : { tty: request.tty }),
    ...(io.stdin === undefined ? {} : { stdin: io.stdin }),
    stdout: io.stdout,
    stderr: io.stderr,
  });
  io.onStart?.(handle);
  const ended = await awaitEnd(handle, request.timeoutMs);
  const place = { sandboxed: true, address, backend, host: host ?? THIS_HOST };
  return manifestOf(run, started, ended, { ...place, object_id, spec_hash: labels.spec_hash });
}

/** What follows a command changes nothing about how it ended: where it fails, that is only told. */
function atTheEnd(run: Run, work: () => PromiseLike<void>): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      try {
        await work();
      } catch (thrown) {
        const message = `the end of the run could not be recorded: ${toError(thrown).message}`;
        run.engine.sink.notify({ type: "note", level: "warn", code: "RUN_NOT_RECORDED", message });
      }
    },
  };
}

interface Claimed {
  readonly runtime: ObservedRuntime;
  /** Keeps the runtime busy until disposed. */
  readonly handle: OpenRunHandle;
}

/** Looks and registers under the address lock, so that nobody removes the runtime between the two. */
async function claim(run: Run, state: FleetState, driver: Driver, target: Target): Promise<Claimed> {
  const { engine, config, whom, run_id } = run;
  const { address } = target;
  for (let attempt = 1; ; attempt += 1) {
    {
      await using _lock = await lockAddress(state, address, { waitMs: LOCK_WAIT_MS });
      const runtime = await findReady(driver, config, target);
      if (runtime !== undefined) {
        const who = { address, agent: whom.agent.name, session: whom.session };
        const handle = await openRun(state, { run_id, ...who, now: () => engine.now() });
        await recordActivity(state, address, engine.now()).catch(async (thrown: unknown) => {
          // The command does not begin, so nothing may stay busy.
          await handle[Symbol.asyncDispose]();
          throw thrown;
        });
        return { runtime, handle };
      }
    }
    if (attempt > ATTEMPTS) {
      throw new SandkeepError(`${address} is taken away as often as it is made ready`, {
        code: "NOT_READY",
        hint: `sandkeep explain ${address} says why`,
      });
    }
    await makeReady(engine, config, target);
  }
}

/** Every secret of the session must be there before anything starts: half an environment is worse than none. */
async function secretValues({ engine, config, whom }: Run): Promise<Record<string, string>> {
  const io = secretIo(engine, config);
  const found: Record<string, string> = {};
  for (const [name, ref] of Object.entries(whom.agent.settings.secrets)) {
    const secret = await resolveSecret(ref, io);
    if (secret.status === "unresolved") {
      throw new SandkeepError(`secret ${name} of agent ${whom.agent.name}: ${secret.message}`, {
        code: "SECRET_UNRESOLVED",
        hint: "make it available to this process, or remove it from the config",
      });
    }
    found[name] = secret.value;
  }
  return found;
}

/** A command may exit with 124 by itself: which of the two it was must be told apart. */
function tellTimeout({ engine, request }: Run): void {
  const message = `timed out after ${formatDuration(request.timeoutMs ?? 0)}`;
  engine.sink.notify({ type: "note", level: "error", code: "TIMED_OUT", message });
}

type Place = Pick<RunManifest, "sandboxed" | "address" | "backend" | "host" | "object_id" | "spec_hash">;

function manifestOf(
  run: Run,
  started: number,
  ended: { exitCode: number; timedOut: boolean },
  place: Place,
): RunManifest {
  if (ended.timedOut) tellTimeout(run);
  return {
    run_id: run.run_id,
    agent: run.whom.agent.name,
    session: run.whom.session,
    ...place,
    started_at: new Date(started).toISOString(),
    duration_ms: Math.max(0, run.engine.now() - started),
    exit_code: ended.exitCode,
    timed_out: ended.timedOut,
  };
}
