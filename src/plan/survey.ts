/**
 * In: a request and the world outside. Out: everything a plan, an explanation or a listing is made from, seen once:
 * the fleet, what it wants, what there is, and what the state directory knows. Read-only by type.
 */
import type { LoadedConfig } from "../config/index.ts";
import { lockedImage } from "../config/lock.ts";
import { desire } from "../desire/desire.ts";
import type { DesiredRuntime } from "../desire/desire.ts";
import { desireNetworks } from "../desire/networks.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import type { DriverModule, ReadDriver } from "../drivers/driver.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { EphemeralWish } from "../model/ephemeral.ts";
import type { Facts } from "../model/facts.ts";
import type { Observation } from "../model/observed.ts";
import type { EngineRef, OpenEngine } from "../observe/engines.ts";
import {
  closeEngines,
  engineKey,
  enginesOf,
  loadModules,
  openReaders,
  readersOf,
} from "../observe/engines.ts";
import { endpointOf, engineRef } from "../observe/endpoints.ts";
import type { ImageFact } from "../observe/images.ts";
import { observeImages } from "../observe/images.ts";
import type { ObserveRequest } from "../observe/observe.ts";
import { observe } from "../observe/observe.ts";
import type { Invalid, LoadedFleet } from "../policy/fleet.ts";
import { loadFleet } from "../policy/fleet.ts";
import type { FleetState } from "../state/directory.ts";
import { fleetState } from "../state/directory.ts";
import { formerEndpoints, readEndpoints } from "../state/endpoints.ts";
import { readFacts } from "../state/facts.ts";
import { standingsUnder } from "./degraded-hosts.ts";
import type { Engine } from "./engine.ts";
import { driverDeps } from "./engine.ts";
import { countsRuntimes } from "./full-hosts.ts";
import type { Lacking } from "./lacking.ts";
import { lookForLacks } from "./lacking.ts";
import type { Losses } from "./doomed.ts";
import { gateImages } from "./networks.ts";
import type { Fingerprints } from "./secrets.ts";
import { fingerprintSecrets } from "./secrets.ts";

export interface SurveyRequest {
  readonly file?: string | undefined;
  /** Without a config: the fleet's name, found again by labels. */
  readonly fleet?: string | undefined;
  /** A fleet that is already loaded. */
  readonly config?: LoadedFleet | undefined;
  /** Addresses that no declared session yields but that are about to be used. */
  readonly wanted: readonly string[];
  /** A one-off runtime that is wanted beside what is declared. */
  readonly ephemeral?: EphemeralWish | undefined;
  /** When given, only these addresses are looked at. */
  readonly addresses?: readonly string[] | undefined;
  /** Of the addresses' engines only those that they belong on: no other one is waited for, and what is left there not seen. */
  readonly nearby?: boolean | undefined;
  readonly at?: number | undefined;
  /** Without a config and a memory of engines, one that cannot be observed counts as a failure. */
  readonly thorough?: boolean;
  /** Also what other sandbox tools made. */
  readonly neighbours?: boolean;
}

export interface Survey {
  readonly status: "surveyed";
  /** Absent without a config. */
  readonly config: LoadedFleet | undefined;
  readonly fleet: string;
  readonly state: FleetState;
  readonly engines: readonly EngineRef[];
  readonly modules: Readonly<Record<string, DriverModule>>;
  readonly scope: ObserveRequest;
  readonly desired: readonly DesiredRuntime[];
  readonly observations: readonly Observation[];
  readonly images: ReadonlyMap<string, ImageFact>;
  /** What hosts lack of what is desired there. */
  readonly lacking: Lacking;
  readonly facts: Facts;
  readonly fingerprints: Fingerprints;
  readonly now: number;
  readonly diagnostics: readonly Diagnostic[];
  /** What the decisions made from this would destroy; empty until it is measured. */
  readonly losses: Losses;
  /** What it was seen with, by engine: open as long as it is weighed, and closed after that. */
  readonly readers: ReadonlyMap<string, ReadDriver>;
  /** Driver calls made: reading only. */
  readonly reads: number;
}

/** The fleet's config, checked; undefined where a request names the fleet and goes by labels alone. */
export async function fleetOf(
  engine: Engine,
  request: { readonly file?: string | undefined; readonly fleet?: string | undefined },
  loaded?: LoadedConfig,
): Promise<LoadedFleet | Invalid | undefined> {
  const { cwd, env, drivers, stateDir } = engine;
  if (request.fleet !== undefined) return undefined;
  return loadFleet({ file: request.file, cwd, env, drivers, stateDir }, loaded);
}

export async function survey(engine: Engine, request: SurveyRequest): Promise<Survey | Invalid> {
  return await surveyFor(engine, request, async (seen) => seen);
}

/** As `survey`; the engines stay open for `work`, which may look again at what was seen. */
export async function surveyFor<T>(
  engine: Engine,
  request: SurveyRequest,
  work: (seen: Survey, open: readonly OpenEngine[]) => Promise<T>,
): Promise<T | Invalid> {
  const { drivers } = engine;
  const config = request.config ?? (await fleetOf(engine, request));
  if (config?.status === "invalid") return config;
  const problems: Diagnostic[] = [];
  const fleet = config?.fleet.fleet ?? request.fleet ?? "";
  const state = fleetState(engine.stateDir, fleet, (problem) => problems.push(problem));
  const now = engine.now() + (request.at ?? 0);
  const [facts, remembered] = await Promise.all([readFacts(state, engine.now(), now), readEndpoints(state)]);
  const configless = config === undefined;
  const used = enginesOf(config?.fleet, []).map((ref) => endpointOf(ref));
  const former = formerEndpoints(remembered, used);
  const known = former.flatMap((each) => engineRef(each, drivers, configless));
  // Who destroys a fleet that nothing remembers must hear of every engine that could not be looked at.
  const own = configless ? await ownEngines(engine, request.thorough === true && known.length === 0) : [];
  const refs = nearby(enginesOf(config?.fleet, [...known, ...own]), config, request);
  const modules = {
    ...config?.modules,
    ...(await loadModules(
      drivers,
      refs.map((each) => each.backend),
    )),
  };
  const open = await openReaders(refs, modules, driverDeps(engine));
  try {
    const seen = await look(engine, open, config, request);
    const fingerprints = await fingerprintSecrets(engine, config, seen.desired);
    const surveyed: Survey = {
      status: "surveyed",
      config,
      fleet,
      state,
      engines: refs,
      readers: readersOf(open),
      modules,
      ...seen,
      facts: { ...facts, hosts: standingsUnder(facts.hosts, config?.fleet) },
      fingerprints,
      losses: new Map(),
      now,
      diagnostics: [...(config?.diagnostics ?? []), ...problems, ...fingerprints.diagnostics],
    };
    return await work(surveyed, open);
  } finally {
    await closeEngines(open);
  }
}

/**
 * A decision about an address goes by one engine alone, so that what is made where it belongs does not depend on what an
 * engine elsewhere says; only what is left there is, for a look at everything. All engines while somebody belongs nowhere.
 */
function nearby(
  refs: readonly EngineRef[],
  config: LoadedFleet | undefined,
  request: SurveyRequest,
): readonly EngineRef[] {
  const { addresses, wanted } = request;
  if (request.nearby !== true || addresses === undefined) return refs;
  const asked = new Set(addresses);
  const all = desireAll(config, [...wanted, ...addresses], request);
  const placed = all.filter((each) => asked.has(each.address));
  if (placed.length < asked.size) return refs;
  // Whatever backend made them, all that is on a host counts towards what it may hold.
  const hosts = new Set(placed.map((each) => each.host));
  return refs.filter((ref) => hosts.has(ref.host));
}

type Seen = Pick<Survey, "scope" | "desired" | "observations" | "images" | "lacking" | "reads">;

async function look(
  engine: Engine,
  open: readonly OpenEngine[],
  config: LoadedFleet | undefined,
  request: SurveyRequest,
): Promise<Seen> {
  const declared = desireAll(config, request.wanted, request);
  const names: Record<string, string[]> = {};
  for (const each of declared) (names[engineKey(each)] ??= []).push(each.name);
  const networks: Record<string, string[]> = {};
  for (const each of desireNetworks(config?.fleet, declared))
    (networks[engineKey(each)] ??= []).push(each.name);
  const narrow = request.addresses !== undefined && !countsRuntimes(config?.fleet.hosts ?? {});
  const scope: ObserveRequest = {
    fleet: config?.fleet.fleet ?? request.fleet ?? "",
    ...(config?.fleet.fleet_id === undefined ? {} : { fleet_id: config.fleet.fleet_id }),
    names,
    networks,
    ...(narrow ? { addresses: request.addresses } : {}),
    ...(request.neighbours === true ? { neighbours: true } : {}),
  };
  const observations = await observe(open, scope);
  const known = knownAddresses(observations);
  const listed = new Set<string>(declared.map((each) => each.address));
  const extra = known.some((address) => !listed.has(address));
  const desired = extra ? desireAll(config, [...request.wanted, ...known], request) : declared;
  const selected = desired.filter((each) => request.addresses?.includes(each.address) ?? true);
  const wants = [
    ...selected.flatMap((each) =>
      each.image === undefined ? [] : [{ ...each.image, backend: each.backend, host: each.host }],
    ),
    ...gateImages(desireNetworks(config?.fleet, selected)),
  ];
  const locked = (config?.loaded.lock ?? []).map((each) => lockedImage(each));
  const [images, lacking] = await Promise.all([
    observeImages(open, wants, { locked, memo: engine.registry }),
    lookForLacks(open, observations, selected),
  ]);
  return { scope, desired, observations, images, lacking, reads: open.length + images.size };
}

function desireAll(
  config: LoadedFleet | undefined,
  known: readonly string[],
  { ephemeral }: SurveyRequest,
): DesiredRuntime[] {
  if (config === undefined) return [];
  const { fleet, modules, paths } = config;
  return desire({ fleet, modules, paths, known, ephemeral });
}

function knownAddresses(observations: readonly Observation[]): string[] {
  return observations.flatMap((each) =>
    each.status === "complete"
      ? [
          ...each.runtimes.map((runtime) => runtime.labels.address),
          ...each.dormant.map((mark) => mark.address),
        ]
      : [],
  );
}

/** Without a config and with the state lost, this machine's own engines are the best place to look. */
async function ownEngines({ drivers, env }: Engine, declared: boolean): Promise<EngineRef[]> {
  const all = Object.entries(drivers).map(async ([backend, load]): Promise<EngineRef[]> => {
    const module = await load();
    // What makes no runtimes holds none of the fleet.
    if (module.capabilities.lifecycle === "ephemeral") return [];
    const installed = async (): Promise<boolean> => (await module.installed?.(env)) ?? true;
    return [{ backend, host: THIS_HOST, declared: declared && (await installed()) }];
  });
  return (await Promise.all(all)).flat();
}
