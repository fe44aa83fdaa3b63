/**
 * In: a host. Out: the report of a real sandbox that was made there by the fleet's own defaults, checked and removed, with how
 * the host was before and after. A failed one speaks against the host until another passes; what runs there stays.
 */
import { desire } from "../../desire/desire.ts";
import type { Driver } from "../../drivers/driver.ts";
import { THIS_HOST } from "../../drivers/driver.ts";
import { SandkeepError, toError } from "../../errors.ts";
import type { Check } from "../../model/attestation.ts";
import type { CanaryReport, CanaryStep } from "../../model/canary.ts";
import type { EphemeralWish } from "../../model/ephemeral.ts";
import type { HostSnapshot } from "../../model/host.ts";
import { ephemeralAddress, MAIN_SESSION } from "../../model/names.ts";
import type { Settings } from "../../model/settings.ts";
import type { SandboxSettings } from "../../config/schema/sandbox.ts";
import { driverDeps } from "../../plan/engine.ts";
import type { EphemeralFleet } from "../../policy/ephemeral.ts";
import { loadEphemeral } from "../../policy/ephemeral.ts";
import type { Invalid } from "../../policy/fleet.ts";
import type { Engine } from "../../reconcile.ts";
import { targetOf } from "../../runs/claim.ts";
import { claimEphemeral, removeEphemeral } from "../../runs/ephemeral.ts";
import type { Target } from "../../runs/ready.ts";
import { findReady } from "../../runs/ready.ts";
import { chooseSession } from "../../runs/whom.ts";
import { keepCanary } from "../../state/canaries.ts";
import { fleetState } from "../../state/directory.ts";
import { recordEvents } from "../../state/events.ts";
import { readHolds, WHOLE_FLEET } from "../../state/holds.ts";
import { recordHostStanding } from "../../state/host-standing.ts";
import type { Look } from "../look.ts";
import { judgeHost, lookAtHost } from "../survey.ts";
import type { Finding, PromiseGroup, Subject } from "./checks.ts";
import { checkExec, checkFiles, judgePromises } from "./checks.ts";
import { deltaOf } from "./delta.ts";
import { exportReport } from "./export.ts";

export interface CanaryRequest {
  readonly file?: string;
  /** Where; otherwise where the fleet's defaults say. */
  readonly host?: string | undefined;
  /** A `[sandbox]` table that goes before the config's. */
  readonly profile?: SandboxSettings | undefined;
  /** It stays until its time is up. */
  readonly keep: boolean;
}

type Outcome = { readonly status: "ran"; readonly report: CanaryReport };
type StepName = CanaryStep["step"];

const BUSY = 75;
const DAY_MS = 86_400_000;
const PROMISES: readonly PromiseGroup[] = ["limits", "network", "isolation"];

export async function runCanary(engine: Engine, request: CanaryRequest): Promise<Outcome | Invalid> {
  const { cwd, env, drivers, stateDir } = engine;
  const { host: asked, profile } = request;
  const config = await loadEphemeral(
    { file: request.file, cwd, env, drivers, stateDir },
    { host: asked, profile },
  );
  if (config.status === "invalid") return config;
  const id = `canary-${engine.randomId()}`;
  const started = engine.now();
  const whom = { agent: chooseSession(config.fleet, { agent: config.agent }).agent, session: MAIN_SESSION };
  const { backend, host = THIS_HOST } = whom.agent.settings;
  const wish: EphemeralWish = {
    address: ephemeralAddress(id),
    agent: config.agent,
    role: "canary",
    expires_at: started + config.fleet.runs.ephemeral_ttl,
    keep: request.keep,
  };
  const target = targetOf({ config, whom }, wish.address);
  refuseUnkept(config, whom.agent.settings);
  await refuseHeld(engine, config.fleet.fleet);
  const trial: Trial = { engine, config, id, whom, target, wish, steps: [], notes: [] };
  const before = await look(trial, host);
  const during = { after: before };
  await tryAll(trial, async () => {
    during.after = await look(trial, host);
  });
  const last = request.keep ? during.after : await look(trial, host);
  const failed = trial.steps.filter(({ status }) => status === "failed");
  const why = failed.map((each) => `${each.step}: ${each.message}`).join("; ");
  const report: CanaryReport = {
    format_version: 1,
    id,
    fleet: config.fleet.fleet,
    host,
    backend,
    address: wish.address,
    started_at: new Date(started).toISOString(),
    duration_ms: engine.now() - started,
    verdict: failed.length === 0 ? "passed" : "failed",
    why: failed.length === 0 ? "everything it tried worked" : why,
    steps: trial.steps,
    before: snapshotOf(before),
    after: snapshotOf(last),
    provision_delta: deltaOf(snapshotOf(before), snapshotOf(during.after)),
    destroy_delta: request.keep ? null : deltaOf(snapshotOf(during.after), snapshotOf(last)),
    inventory: {
      containers: last?.snapshot.containers.length ?? 0,
      directories: last?.snapshot.directories.length ?? 0,
      compose_projects: (last?.snapshot.compose_projects ?? []).map(({ project }) => project),
    },
    stale_candidates: last === null ? [] : [...(await judgeHost(engine, config, last, DAY_MS))],
    kept: request.keep,
    exported: null,
    notes: trial.notes,
    exit_code: failed.length === 0 ? 0 : 1,
  };
  return { status: "ran", report: await conclude(engine, config, report) };
}

function snapshotOf(found: Look | null): HostSnapshot | null {
  return found === null ? null : found.snapshot;
}

/** Where nothing outlives its command there is nothing to try, and that is no fault of the host. */
function refuseUnkept({ modules }: EphemeralFleet, { backend, host = THIS_HOST }: Settings): void {
  if (modules[backend]?.capabilities.lifecycle !== "ephemeral") return;
  throw new SandkeepError(`the ${backend} backend keeps no sandbox on host ${host} that a canary could try`, {
    code: "USAGE",
    hint: "name a host where an agent has another backend with --host, or give another backend with --profile",
    exitCode: 64,
  });
}

/** Nothing is made in a fleet that a person holds, and that says nothing of the host. */
async function refuseHeld(engine: Engine, fleet: string): Promise<void> {
  const holds = await readHolds(fleetState(engine.stateDir, fleet), engine.now());
  const hold = holds.find(({ address }) => address === WHOLE_FLEET);
  if (hold === undefined) return;
  throw new SandkeepError(`the fleet is held: ${hold.reason}`, {
    code: "BLOCKED",
    hint: `sandkeep release ${WHOLE_FLEET} lifts the hold`,
    exitCode: 3,
  });
}

interface Trial {
  readonly engine: Engine;
  readonly config: EphemeralFleet;
  readonly id: string;
  readonly whom: Parameters<typeof claimEphemeral>[0]["whom"];
  readonly target: Target;
  readonly wish: EphemeralWish;
  readonly steps: CanaryStep[];
  readonly notes: string[];
}

/** A host that cannot be looked at may still run sandboxes: that is told, and fails nothing. */
async function look({ engine, config, notes }: Trial, host: string): Promise<Look | null> {
  try {
    return await lookAtHost(engine, config, host);
  } catch (thrown) {
    const note = `no look at ${host}: ${toError(thrown).message}`;
    if (!notes.includes(note)) notes.push(note);
    return null;
  }
}

/** Never rejects: what goes wrong is a failed step, and whatever was made is removed. `made` runs while it stands. */
async function tryAll(trial: Trial, made: () => Promise<void>): Promise<void> {
  const { engine, config, target, wish, steps, whom, id } = trial;
  const { backend } = whom.agent.settings;
  const host = target.host === undefined ? undefined : config.fleet.hosts[target.host];
  let driver: Driver | undefined;
  let handle: AsyncDisposable | undefined;
  try {
    let subject: Subject | undefined;
    await step(trial, "provision", async () => {
      driver = await config.modules[backend]?.open(host, driverDeps(engine));
      if (driver === undefined) return { status: "failed", message: `there is no backend ${backend}` };
      const claiming = { engine, config, whom, run_id: id };
      const state = fleetState(engine.stateDir, config.fleet.fleet);
      const claimed = await claimEphemeral(claiming, { state, driver }, target, wish);
      handle = claimed.handle;
      const { fleet, modules, paths } = config;
      const spec = desire({ fleet, modules, paths, known: [], ephemeral: wish }).find(
        ({ address }) => address === wish.address,
      )?.spec;
      if (spec !== undefined)
        subject = { driver, object_id: claimed.runtime.object_id, spec, token: engine.randomId() };
      return { status: "passed", message: `made on ${backend}` };
    });
    if (subject === undefined) {
      for (const name of ["exec", "files", ...PROMISES] as const)
        steps.push({ step: name, status: "skipped", duration_ms: 0, message: "there is no sandbox" });
    } else {
      await made();
      await check(trial, subject);
    }
    // In use until it is gone: a watch at work here would take it for what a killed one left, and remove it as well.
    await remove(trial, driver);
  } finally {
    await handle?.[Symbol.asyncDispose]();
    await driver?.[Symbol.asyncDispose]();
  }
}

async function check(trial: Trial, subject: Subject): Promise<void> {
  await step(trial, "exec", () => checkExec(subject));
  await step(trial, "files", () => checkFiles(subject));
  let checks: readonly Check[] | undefined;
  for (const group of PROMISES)
    await step(trial, group, async () => {
      checks ??= await subject.driver.attest(subject.object_id, subject.spec);
      return judgePromises(checks, group);
    });
}

async function remove(trial: Trial, driver: Driver | undefined): Promise<void> {
  const { engine, config, target, wish } = trial;
  await step(trial, "removal", async () => {
    if (wish.keep)
      return { status: "skipped", message: `it is kept until ${new Date(wish.expires_at).toISOString()}` };
    await removeEphemeral(engine, config, wish.address);
    if (driver === undefined) return { status: "skipped", message: "nothing was made" };
    const left = await findReady(driver, config, target);
    return left === undefined
      ? { status: "passed", message: "nothing of it is left" }
      : { status: "failed", message: "it is still there" };
  });
}

async function step({ engine, steps }: Trial, name: StepName, work: () => Promise<Finding>): Promise<void> {
  const began = engine.wait.elapsed();
  const finding = await work().catch((thrown: unknown): Finding => {
    // That somebody else is at work on the fleet says nothing of the host.
    if (thrown instanceof SandkeepError && thrown.exitCode === BUSY) throw thrown;
    return { status: "failed", message: toError(thrown).message };
  });
  steps.push({ step: name, ...finding, duration_ms: Math.round(engine.wait.elapsed() - began) });
}

/** Kept, handed on, and the host's standing with it. */
async function conclude(engine: Engine, config: EphemeralFleet, report: CanaryReport): Promise<CanaryReport> {
  const state = fleetState(engine.stateDir, report.fleet);
  const { host, verdict, why } = report;
  const passed = verdict === "passed";
  const word = { why: `its canary failed: ${why}`, since: engine.now(), blocks: true };
  const now = engine.now();
  const ended = { type: "canary.ended", verdict, duration_ms: report.duration_ms } as const;
  await recordEvents(state, [ended], now);
  const news = await recordHostStanding(state, { host, by: "canary" }, passed ? undefined : word, now);
  if (news) {
    const message = passed
      ? `host ${host} takes new sandboxes again: its canary passed`
      : `host ${host} is degraded, nothing new is made there: its canary failed: ${why}`;
    engine.sink.notify({ type: "note", level: passed ? "info" : "error", code: "CANARY", message });
  }
  const { exported, problem } = await exportReport(engine, config.fleet, report);
  const told = {
    ...report,
    exported,
    notes: problem === undefined ? report.notes : [...report.notes, problem],
  };
  await keepCanary(state, told);
  return told;
}
