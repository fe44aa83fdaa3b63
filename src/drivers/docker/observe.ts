/**
 * In: an engine and a scope. Out: the fleet's runtimes, foreign holders of its names, and dormancy marks.
 * One list of containers, one of volumes, and concurrent inspects. It changes nothing.
 */
import type { Host } from "../../model/settings.ts";
import type { Json } from "../../model/json.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import { ADDRESS_LABEL, decodeLabels, FLEET_LABEL } from "../../model/labels.ts";
import { SLOT_SUFFIX, slotNames } from "../../model/names.ts";
import { foreignBecause } from "../../model/ownership.ts";
import type { DormancyMark, ForeignObject, Observation, ObservedRuntime } from "../../model/observed.ts";
import type { ObserveScope } from "../driver.ts";
import { THIS_HOST, reservedNames } from "../driver.ts";
import type { Engine } from "./client.ts";
import { waits } from "./deliver.ts";
import { dockerError } from "./errors.ts";
import { countExecs } from "./execs.ts";
import { findContainer, healthOf, stateOf } from "./find-container.ts";
import type { EngineFacts } from "./facts.ts";
import type { EngineName } from "./endpoint.ts";
import { GATE_LABEL, isGate, ownNetworkName } from "./gates.ts";
import type { Place } from "./neighbours.ts";
import { neighbour } from "./neighbours.ts";
import { unsupportedLimits } from "./limits.ts";
import { fleetNetworks, liveNetworks, networksFor } from "./networks.ts";
import type { DockerSpec } from "./section.ts";
import { inSection, tryReadValues } from "./section.ts";
import { mainOf, readFields } from "./values.ts";
import { findMarks, isOwned, listMarks } from "./volumes.ts";
import type { Container, ListedContainer } from "./wire-container.ts";
import type { Image } from "./wire.ts";
import { madeOf, readContainers } from "./wire-container.ts";
import { time } from "./wire.ts";
import { hasWorkspaceVolume } from "./workspaces.ts";

export async function observe(
  engine: Engine,
  facts: EngineFacts,
  scope: ObserveScope,
  host: Host | undefined,
): Promise<Observation> {
  const where = { backend: engine.dialect.name, host: host?.name ?? THIS_HOST };
  const whole = scope.only === undefined;
  try {
    if (!whole && isNarrow(scope)) {
      const runtimes = await recogniseNamed(engine, scope);
      return { status: "complete", ...where, runtimes, foreign: [], dormant: [], networks: [] };
    }
    // Asked for beside the lists rather than after them: each runtime is read by what the engine can do.
    facts.info().catch(() => undefined);
    const containers = listWanted(engine, scope);
    const [listed, dormant, every] = await Promise.all([
      containers,
      whole ? marksOf(engine, scope) : [],
      whole ? networksFor(engine, scope, containers) : [],
    ]);
    const { ours, foreign } = sortOut(listed, scope, where);
    const networks = whole ? fleetNetworks(every, listed, scope) : { ours: [], foreign: [] };
    const seen = await Promise.all(ours.map(({ id, labels }) => inspectRuntime(engine, facts, id, labels)));
    const runtimes = seen.filter((runtime) => runtime !== undefined);
    return {
      status: "complete",
      ...where,
      runtimes,
      foreign: [...foreign, ...networks.foreign],
      dormant,
      networks: networks.ours,
    };
  } catch (thrown) {
    const { kind, message, hint } = dockerError(thrown, "observe containers", engine.dialect.name);
    return { status: "unobserved", ...where, kind, message, hint };
  }
}

/** Up to so many addresses and names are asked for one by one, rather than found in the list of everything. */
const FEW = 4;

function isNarrow(scope: ObserveScope): scope is ObserveScope & { readonly addresses: readonly string[] } {
  if (scope.addresses === undefined || scope.neighbours === true) return false;
  return scope.addresses.length <= FEW && scope.names.length <= FEW;
}

function marksOf(engine: Engine, scope: ObserveScope): Promise<DormancyMark[]> {
  // Without an id in the config the fleet's name owns marks made under any id, and the id is part of a mark's name.
  const known = scope.fleet_id !== undefined && isNarrow(scope);
  return known ? findMarks(engine, scope, scope.addresses) : listMarks(engine, scope);
}

async function listWanted(engine: Engine, scope: ObserveScope): Promise<readonly ListedContainer[]> {
  // All of them: a foreign holder of one of our names carries no label to filter by.
  if (!isNarrow(scope)) return listContainers(engine, {});
  const { fleet, addresses, names } = scope;
  const lists = await Promise.all([
    ...addresses.map((address) =>
      listContainers(engine, { label: [`${FLEET_LABEL}=${fleet}`, `${ADDRESS_LABEL}=${address}`] }),
    ),
    ...names.map((name) => listContainers(engine, { name: [slotPattern(name)] })),
    listContainers(engine, { label: [`${FLEET_LABEL}=${fleet}`, GATE_LABEL] }),
  ]);
  return [...new Map(lists.flat().map((each) => [each.Id, each])).values()];
}

/** The canonical name and those beside it; of a name's characters only dots mean something to a pattern. */
function slotPattern(name: string): string {
  return `^/?${name.replaceAll(".", "\\.")}(${OTHER_SLOTS})?$`;
}

const OTHER_SLOTS = [SLOT_SUFFIX.new, SLOT_SUFFIX.old].join("|").replaceAll(".", "\\.");

export function listContainers(
  engine: Pick<Engine, "json">,
  filters: Readonly<Record<string, readonly string[]>>,
  signal?: AbortSignal,
): Promise<ListedContainer[]> {
  const query = Object.keys(filters).length === 0 ? { all: true } : { all: true, filters };
  return engine.json(
    {
      what: "list containers",
      method: "GET",
      path: "/containers/json",
      query,
      ...(signal === undefined ? {} : { signal }),
    },
    readContainers,
  );
}

interface Own {
  readonly id: string;
  readonly labels: RuntimeLabels;
}

/** The fleet's runtimes that matter to the scope, and what stands in their way. */
function sortOut(
  listed: readonly ListedContainer[],
  scope: ObserveScope,
  where: Place,
): { ours: Own[]; foreign: ForeignObject[] } {
  const ours: Own[] = [];
  const foreign: ForeignObject[] = [];
  const sorted = listed.map((container) => ({ container, labels: decodeLabels(container.Labels) }));
  const own = sorted.flatMap(({ labels }) =>
    labels !== undefined && isOwned(scope, labels) ? [labels] : [],
  );
  const wanted = reservedNames(scope, own);
  for (const { container, labels } of sorted) {
    const name = engineName(container.Names[0] ?? "");
    // A gate is no runtime: it is told with its network.
    if (isGate(container.Labels)) continue;
    if (labels !== undefined && isOwned(scope, labels)) {
      if (scope.addresses === undefined || scope.addresses.includes(labels.address))
        ours.push({ id: container.Id, labels });
      continue;
    }
    const why = foreignReason(container, labels, scope, wanted.has(name));
    const other = scope.neighbours === true ? neighbour(container, name, where) : undefined;
    if (why !== undefined) foreign.push({ name, object_id: container.Id, why });
    else if (other !== undefined) foreign.push(other);
  }
  return { ours, foreign };
}

function foreignReason(
  container: ListedContainer,
  labels: RuntimeLabels | undefined,
  scope: ObserveScope,
  wanted: boolean,
): string | undefined {
  const sameFleet = container.Labels[FLEET_LABEL] === scope.fleet;
  if (!sameFleet && !wanted) return undefined;
  if (labels !== undefined) return foreignBecause(scope, labels);
  return sameFleet
    ? `it has the label of fleet "${scope.fleet}", but not labels that this version reads`
    : "the name is held by something that sandkeep did not make";
}

/** Each list costs an engine time for every container that it has, and a name nothing. */
async function recogniseNamed(
  engine: Engine,
  scope: ObserveScope & { readonly addresses: readonly string[] },
): Promise<ObservedRuntime[]> {
  const names = scope.only === "canonical" ? scope.names : scope.names.flatMap((name) => slotNames(name));
  const seen = await Promise.all(names.map((name) => recognise(engine, name)));
  return seen
    .map((each) => each?.runtime)
    .filter((runtime) => runtime !== undefined)
    .filter(({ name, labels }) => {
      // What has no such name may still have an id that begins like it.
      return names.includes(name) && isOwned(scope, labels) && scope.addresses.includes(labels.address);
    });
}

interface Recognised {
  readonly container: Container;
  /** In Docker's words. */
  readonly shown: Container;
  /** What it was made from; undefined where its label cannot be read. */
  readonly created: DockerSpec | undefined;
  /** Without its fields. */
  readonly runtime: ObservedRuntime & Required<Pick<ObservedRuntime, "image">>;
}

/** Who it is and what it does, which the engine says in one answer; undefined as for `inspectRuntime`. */
async function recognise(
  engine: Engine,
  objectId: string,
  read?: RuntimeLabels,
): Promise<Recognised | undefined> {
  const container = await findContainer(engine, objectId);
  if (container === undefined) return undefined;
  // Engines take a name in the place of an id: what was given the name of one that is gone has labels of its own.
  if (read !== undefined && container.Id !== objectId) return undefined;
  const labels = read ?? decodeLabels(container.Config.Labels);
  if (labels === undefined) return undefined;
  if (!hasWorkspaceVolume(container, labels)) engine.known.volumeless.add(container.Id);
  engine.known.made.set(container.Id, madeOf(container));
  const { dialect } = engine;
  const created = tryReadValues(labels.spec.values, dialect.name);
  const shown = created === undefined ? container : dialect.read(container, created);
  const started = time(container.State.StartedAt);
  const state = stateOf(container);
  const runtime = {
    object_id: container.Id,
    name: engineName(container.Name),
    labels,
    state: created === undefined ? "broken" : state,
    health: healthOf(container),
    created_at: time(container.Created) ?? 0,
    ...(started === undefined ? {} : { started_at: started }),
    ...(state === "stopped" ? { exit_code: container.State.ExitCode } : {}),
    fields: {},
    image: {
      ref: labels.image?.ref ?? shown.Config.Image,
      kind: "config",
      digest: container.Image,
      platform: labels.image?.platform ?? "",
    },
    execs: await countExecs(engine, container, created?.ready?.command),
    main: mainOf(container),
  } as const;
  return { container, shown, created, runtime };
}

/**
 * One runtime by id or name; undefined when it is gone, or when its labels are none of ours. `labels` are those of this
 * id where they were read already: no engine changes them.
 */
export async function inspectRuntime(
  engine: Engine,
  facts: EngineFacts,
  objectId: string,
  labels?: RuntimeLabels,
): Promise<ObservedRuntime | undefined> {
  const seen = await recognise(engine, objectId, labels);
  if (seen === undefined) return undefined;
  const { container, shown, created, runtime } = seen;
  const { name } = engine.dialect;
  const [image, info] = await Promise.all([facts.image(container.Image), facts.info()]);
  const unsupported = named(unsupportedLimits(info), name);
  const known = {
    ...runtime,
    image: { ...runtime.image, ...(image === undefined ? {} : { platform: platformOf(image) }) },
    ...(Object.keys(unsupported).length === 0 ? {} : { unsupported }),
  };
  if (created === undefined) return known;
  const live = await liveNetworks(engine, container);
  const own = ownNetworkName(runtime.labels.name);
  const { stateDir } = engine;
  const fields = {
    ...readFields(shown, { created, image, info, ref: runtime.image.ref, own, live, stateDir }),
    ...(await secretFields(engine, container, created)),
  };
  return { ...known, fields: named(fields, name) };
}

/** Which secrets the main program has begun with: none while it waits, and nothing is known while it does not run. */
async function secretFields(
  engine: Engine,
  container: Container,
  { docker }: DockerSpec,
): Promise<Record<string, Json>> {
  const names = docker.command_secrets;
  if (names.length === 0 || container.State.Status !== "running") return {};
  const waiting = await waits(engine, container);
  return waiting === undefined ? {} : { "docker.command_secrets": waiting ? [] : names };
}

function named<T>(fields: Readonly<Record<string, T>>, engine: EngineName): Readonly<Record<string, T>> {
  if (engine === "docker") return fields;
  return Object.fromEntries(Object.entries(fields).map(([path, value]) => [inSection(path, engine), value]));
}

export function platformOf(image: Image): string {
  return [image.Os, image.Architecture, image.Variant].filter((part) => part !== "").join("/");
}

function engineName(name: string): string {
  return name.replace(/^\//, "");
}
