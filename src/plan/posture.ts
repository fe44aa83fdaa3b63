/**
 * In: a config. Out: whether each backend that it uses, and each host that it only declares, could take work, and why
 * not, from what this machine's files and programs tell; with `probe` the engines are asked as well, side by side. Starts nothing and changes nothing.
 */
import type { HostStanding } from "../model/facts.ts";
import type { DriverModule } from "../drivers/driver.ts";
import type { EnginePosture, Posture, Probe, ProbeReason, UnusedHost } from "../model/posture.ts";
import { worstStatus } from "../model/posture.ts";
import type { RecordedEvent } from "../model/recorded-event.ts";
import type { ResolvedAgent, Settings } from "../model/settings.ts";
import type { EngineFailure, EngineRef, OpenEngine } from "../observe/engines.ts";
import {
  closeEngines,
  engineFor,
  engineKey,
  enginesOf,
  failureOf,
  loadModules,
  openReaders,
} from "../observe/engines.ts";
import { LATE, inTime } from "../observe/patience.ts";
import type { Invalid, LoadedFleet } from "../policy/fleet.ts";
import { loadFleet } from "../policy/fleet.ts";
import { fleetState } from "../state/directory.ts";
import { readEvents } from "../state/events.ts";
import { readHostStanding } from "../state/host-standing.ts";
import { lackingProbe, lacksOf } from "./lacking.ts";
import { fixOf, standingsUnder } from "./degraded-hosts.ts";
import { readLanes } from "../state/lanes.ts";
import type { Engine } from "./engine.ts";
import { driverDeps } from "./engine.ts";

export interface PostureRequest {
  readonly file?: string;
  /** Asks each engine, which is a connection to it; without it nothing is dialled. */
  readonly probe?: boolean;
}

export async function fleetPosture(
  engine: Engine,
  request: PostureRequest,
): Promise<{ readonly status: "told"; readonly posture: Posture } | Invalid> {
  const { cwd, env, drivers, stateDir } = engine;
  const config = await loadFleet({ file: request.file, cwd, env, drivers, stateDir });
  if (config.status === "invalid") return config;
  const probe = request.probe ?? false;
  const [engines, unused] = await Promise.all([
    enginePostures(engine, config, probe),
    unusedHosts(engine, config, probe),
  ]);
  const posture: Posture = {
    fleet: config.fleet.fleet,
    status: worstStatus(engines.map((each) => each.status)),
    engines,
    unused_hosts: unused,
    recent: await recentEvents(engine, config.fleet.fleet),
    unsandboxed: config.fleet.agents.filter((each) => each.settings.mode === "off").map((each) => each.name),
    diagnostics: [...config.diagnostics],
  };
  return { status: "told", posture };
}

const RECENT_MS = 24 * 3_600_000;
const MOST_EVENTS = 10;

async function recentEvents(engine: Engine, fleet: string): Promise<Posture["recent"]> {
  const state = fleetState(engine.stateDir, fleet, () => undefined);
  const events = await readEvents(state, engine.now() - RECENT_MS);
  const counts = new Map<string, Posture["recent"]["counts"][number]>();
  for (const event of events) {
    const ended = outcomeOf(event);
    if (ended === undefined) continue;
    const key = `${ended.action} ${ended.outcome}`;
    counts.set(key, { ...ended, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  const sorted = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
  return { counts: sorted, events: events.slice(-MOST_EVENTS) };
}

/** What was done and how it ended; undefined for what is no end of anything. */
function outcomeOf(event: RecordedEvent): { readonly action: string; readonly outcome: string } | undefined {
  if (event.type === "change.ended") return { action: event.action, outcome: event.status };
  if (event.type === "canary.ended") return { action: "canary", outcome: event.verdict };
  if (event.type === "host.standing") return { action: "host", outcome: event.status };
  if (event.type === "run.ended") return { action: "run", outcome: event.exit_class };
  return undefined;
}

/** One for each engine that the config's agents use; `said` is what engines that are not asked told already, by key. */
export function enginePostures(
  engine: Engine,
  config: LoadedFleet,
  probe: boolean,
  said?: ReadonlyMap<string, Probe>,
): Promise<EnginePosture[]> {
  return posturesOf(engine, config, enginesOf(config.fleet, []), probe, said);
}

/** A host's keys are named after the backends that they lead to. */
async function unusedHosts(engine: Engine, config: LoadedFleet, probe: boolean): Promise<UnusedHost[]> {
  const used = new Set(
    enginesOf(config.fleet, []).flatMap(({ host, config: at }) => [host, at?.behind?.host ?? host]),
  );
  const hosts = Object.values(config.fleet.hosts).filter(({ name }) => !used.has(name));
  const refs = hosts.flatMap((host): EngineRef[] =>
    Object.keys(engine.drivers)
      .filter((backend) => Object.hasOwn(host, backend))
      .map((backend) => ({ backend, host: host.name, config: host, declared: false })),
  );
  const modules = await loadModules(
    engine.drivers,
    refs.map(({ backend }) => backend),
  );
  const seen = await posturesOf(engine, { ...config, modules }, refs, probe);
  const reached = new Set(refs.map(({ host }) => host));
  const lost = hosts.filter(({ name }) => !reached.has(name)).map(({ name }) => noWay(name));
  const told = seen.map(({ agents: _agents, lane: _lane, client: _client, ...rest }) => rest);
  return [...told, ...lost].toSorted((a, b) => (wayKey(a) < wayKey(b) ? -1 : 1));
}

function wayKey({ host, backend }: UnusedHost): string {
  return `${host} ${backend ?? ""}`;
}

function noWay(host: string): UnusedHost {
  const message = `nothing says how host ${host} is reached`;
  const fix = `set hosts.${host}.ssh, hosts.${host}.docker or hosts.${host}.podman`;
  const reasons = [{ code: "endpoint-invalid" as const, message, fix }];
  return { backend: null, host, status: "unavailable", reasons, probed: false };
}

async function posturesOf(
  engine: Engine,
  config: LoadedFleet,
  refs: readonly EngineRef[],
  probe: boolean,
  said: ReadonlyMap<string, Probe> = new Map(),
): Promise<EnginePosture[]> {
  const probes = probe ? await probeEngines(engine, config, refs) : said;
  const told = await readHostStanding(fleetState(engine.stateDir, config.fleet.fleet));
  const hosts = standingsUnder(told, config.fleet);
  return Promise.all(
    refs.map((ref) => {
      const standing = standingOf(ref, hosts);
      return postureOf(engine, config, ref, [probes.get(engineKey(ref)), standing]);
    }),
  );
}

async function postureOf(
  engine: Engine,
  config: LoadedFleet,
  ref: EngineRef,
  [probed, told]: readonly [probed: Probe | undefined, told: Probe | undefined],
): Promise<EnginePosture> {
  const agents = config.fleet.agents.filter((each) => uses(each, ref));
  const module = config.modules[ref.backend];
  const settings = agents.map((each) => each.settings);
  const seen = await module?.preflight(settings, ref.config, driverDeps(engine));
  const found = [seen, probed, told].filter((each) => each !== undefined);
  return {
    backend: ref.backend,
    host: ref.host,
    status: worstStatus(found.map((each) => each.status)),
    reasons: reasonsOf(found),
    probed: probed !== undefined,
    ...clientOf(found),
    ...(seen?.transport === undefined ? {} : { transport: seen.transport }),
    ...(await laneOf(engine, ref, module)),
    agents: agents.map((each) => ({
      agent: each.name,
      writes: each.settings.writes,
      background: runsInBackground(module),
    })),
  };
}

/** What canaries and limits said of the host. */
function standingOf(ref: EngineRef, hosts: readonly HostStanding[]): Probe | undefined {
  const [first, ...rest] = hosts.filter(({ host }) => host === ref.host);
  if (first === undefined) return undefined;
  const reasons = [first, ...rest].map((each) => ({
    code: each.by === "canary" ? ("canary-failed" as const) : ("host-headroom" as const),
    message: each.blocks ? `${each.why}; nothing new is made there` : each.why,
    fix: fixOf(each),
  }));
  return { status: "degraded", reasons };
}

async function laneOf(
  engine: Engine,
  ref: EngineRef,
  module: DriverModule | undefined,
): Promise<Pick<EnginePosture, "lane">> {
  if (module?.lane === undefined) return {};
  const lane = (await readLanes(engine.stateDir, engine.now())).find(
    (each) => each.engine === engineKey(ref),
  );
  return lane === undefined ? {} : { lane };
}

/** As the engine's own answer tells it, which knows more. */
function clientOf(probes: readonly Probe[]): Pick<EnginePosture, "client"> {
  const client = probes.findLast((each) => each.client !== undefined)?.client;
  return client === undefined ? {} : { client };
}

function uses({ settings }: ResolvedAgent, ref: EngineRef): boolean {
  const place = engineFor(settings);
  return place !== undefined && engineKey(place) === engineKey(ref);
}

/** A detached run has a process of its own, so it takes no runtime that outlives the call. */
function runsInBackground(module: DriverModule | undefined): boolean {
  return module !== undefined && module.capabilities.exec;
}

/** Each code once; what an engine itself said comes after what was seen from here. */
function reasonsOf(probes: readonly Probe[]): ProbeReason[] {
  const reasons = probes.flatMap((each) => (each.status === "ready" ? [] : each.reasons));
  return [...new Map(reasons.map((each) => [each.code, each])).values()];
}

async function probeEngines(
  engine: Engine,
  config: LoadedFleet,
  refs: readonly EngineRef[],
): Promise<ReadonlyMap<string, Probe>> {
  const open = await openReaders(refs, config.modules, driverDeps(engine));
  try {
    const probes = await Promise.all(
      open.map(async (each) => {
        const mine = config.fleet.agents.filter((agent) => uses(agent, each.ref));
        const probe = await probeOne(
          each,
          mine.map(({ settings }) => settings),
        );
        return [engineKey(each.ref), probe] as const;
      }),
    );
    return new Map(probes);
  } finally {
    await closeEngines(open);
  }
}

async function probeOne(open: OpenEngine, settings: readonly Settings[]): Promise<Probe> {
  if ("failure" in open) return failed(open.failure);
  try {
    const probe = (await inTime(open.reader.probe())) ?? failed(LATE);
    const lacking = probe.status === "unavailable" ? undefined : lackingProbe(await lacksOf(open, settings));
    if (lacking === undefined || lacking.status === "ready") return probe;
    const reasons = probe.status === "ready" ? lacking.reasons : [...lacking.reasons, ...probe.reasons];
    return { ...probe, status: lacking.status, reasons };
  } catch (thrown) {
    return failed(failureOf(thrown));
  }
}

function failed({ kind, message, hint }: EngineFailure): Probe {
  const code = kind === "denied" ? "denied" : "unreachable";
  return {
    status: "unavailable",
    reasons: [{ code, message, fix: hint ?? "check that the engine runs and can be reached" }],
  };
}
