/**
 * In: a host of which only the engines can be asked. Out: what they tell of it, and a note of what they cannot. Also the
 * removal of a container there. What gave no answer is told as that, and is never an empty engine.
 */
import type { Driver, ReadDriver } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { EngineInventory, HostContainer, HostSnapshot, Stale } from "../model/host.ts";
import type { Host } from "../model/settings.ts";
import type { EngineFailure } from "../observe/engines.ts";
import { failureOf } from "../observe/engines.ts";
import { driverDeps } from "../plan/engine.ts";
import type { Engine } from "../reconcile.ts";
import { formatBytes } from "../util/bytes.ts";
import { composeProjects } from "./compose.ts";
import type { Answer } from "./parse.ts";
import type { Place } from "./place.ts";
import { enginesApart, targetOf } from "./place.ts";

interface EngineLook {
  readonly name: string;
  readonly host: Host | undefined;
  readonly place: Place;
  readonly labels: readonly string[];
}

type Seen =
  | { readonly engine: string; readonly inventory: EngineInventory }
  | { readonly engine: string; readonly failure: EngineFailure };

const MIB = 1024 * 1024;
const BLIND =
  "only the engine of this host is asked, so its load, free memory, disk headroom, processes and folders are not known; an ssh table in its config would tell them";

export async function lookThroughEngines(asked: EngineLook, engine: Engine): Promise<Answer> {
  const began = engine.now();
  const seen = await askApart(asked, engine);
  const first = seen.find((each) => "inventory" in each);
  // Nobody answered: that is no host, and not one with nothing on it.
  if (first === undefined) throw unanswered(asked.name, seen);
  const { node, kernel, cpus } = first.inventory;
  const told = seen.flatMap((each) => ("inventory" in each ? [each.inventory] : []));
  const containers = told.flatMap((each) => each.containers);
  const snapshot: HostSnapshot = {
    host: asked.name,
    taken_at: new Date(engine.now()).toISOString(),
    via: "engine",
    target: targetOf(asked.place),
    duration_ms: engine.now() - began,
    node,
    kernel,
    uid: 0,
    uptime_s: null,
    cpus,
    load: null,
    memory: null,
    processes: null,
    disks: [],
    engines: seen.map(engineOf),
    containers,
    roots: [],
    directories: [],
    compose_projects: composeProjects(containers),
    notes: [...machineNote(first.inventory), BLIND, ...told.flatMap(leftNote)],
  };
  return { snapshot, told: linesOf(containers) };
}

/** What a look at the machine told, and what its engines that listen elsewhere tell. */
export async function lookBeside(answer: Answer, asked: EngineLook, engine: Engine): Promise<Answer> {
  const seen = await askApart(asked, engine);
  const { snapshot } = answer;
  const told = seen.flatMap((each) => ("inventory" in each ? [each.inventory] : []));
  const more = told.flatMap((each) => each.containers);
  const containers = [...snapshot.containers, ...more];
  return {
    snapshot: {
      ...snapshot,
      duration_ms: engine.now() - Date.parse(snapshot.taken_at) + snapshot.duration_ms,
      engines: [...snapshot.engines, ...seen.map(engineOf)],
      containers,
      compose_projects: composeProjects(containers),
      notes: [...snapshot.notes, ...told.flatMap(leftNote)],
    },
    told: new Map([...answer.told, ...linesOf(more)]),
  };
}

function linesOf(containers: readonly HostContainer[]): Map<string, string> {
  return new Map(containers.map((each) => [each.object_id, JSON.stringify(each)]));
}

async function askApart(asked: EngineLook, engine: Engine): Promise<readonly Seen[]> {
  return Promise.all(Object.keys(enginesApart(asked.place)).map((kind) => ask(asked, kind, engine)));
}

async function ask({ host, labels }: EngineLook, kind: string, engine: Engine): Promise<Seen> {
  try {
    const module = await moduleOf(kind, engine);
    await using reader = await module.openReader(host, driverDeps(engine));
    return { engine: kind, inventory: await inventoryOf(reader, kind, labels) };
  } catch (thrown) {
    return { engine: kind, failure: failureOf(thrown) };
  }
}

async function moduleOf(kind: string, { drivers }: Engine) {
  const load = drivers[kind];
  if (load === undefined) throw new SandkeepError(`there is no driver ${kind}`, { code: "UNKNOWN_BACKEND" });
  return load();
}

async function inventoryOf(
  reader: ReadDriver,
  kind: string,
  labels: readonly string[],
): Promise<EngineInventory> {
  if (reader.inventory !== undefined) return reader.inventory(labels);
  throw noInventory(kind);
}

function noInventory(kind: string): SandkeepError {
  return new SandkeepError(`${kind} does not tell what it holds`, { code: "NO_INVENTORY" });
}

function engineOf(seen: Seen): HostSnapshot["engines"][number] {
  const { engine } = seen;
  if ("failure" in seen)
    return { engine, status: "unreachable", version: null, root: null, message: seen.failure.message };
  const { version, root, disk_use } = seen.inventory;
  const known = { engine, status: "ready" as const, version, root, message: null };
  return disk_use === undefined ? known : { ...known, disk_use };
}

function machineNote({ cpus, memory_total: memory }: EngineInventory): string[] {
  const parts = [
    ...(cpus === null ? [] : [`${String(cpus)} CPUs`]),
    ...(memory === null ? [] : [`${formatBytes(Math.floor(memory / MIB) * MIB)} of memory`]),
  ];
  return parts.length === 0 ? [] : [`its machine has ${parts.join(" and ")}`];
}

function leftNote({ left }: EngineInventory): string[] {
  return left === 0 ? [] : [`${String(left)} more containers, which are left out`];
}

function unanswered(name: string, seen: readonly Seen[]): SandkeepError {
  const [first] = seen.flatMap((each) => ("failure" in each ? [each.failure] : []));
  return new SandkeepError(first?.message ?? `host ${name} has no engine that could be asked`, {
    code: "HOST_UNREACHABLE",
    kind: first?.kind ?? "unreachable",
    hint: first?.hint ?? "check its endpoint",
    exitCode: 69,
  });
}

export type Removal = { readonly said: "removed" | "gone" | "changed"; readonly why?: string };

/** Only what is still as it was listed. */
export async function removeThroughEngine(
  { name, host, place, labels }: EngineLook,
  { engine: kind, object_id }: Pick<Stale, "engine" | "object_id">,
  listed: string,
  engine: Engine,
): Promise<Removal> {
  if (kind === null || enginesApart(place)[kind] === undefined)
    throw new SandkeepError(`host ${name} has no such engine`, { code: "HOST_NOT_LISTED" });
  const module = await moduleOf(kind, engine);
  await using driver: Driver = await module.open(host, driverDeps(engine));
  // Alone: a listing tells only the newest.
  if (driver.held === undefined) throw noInventory(kind);
  const now = await driver.held(object_id, labels);
  if (now === undefined) return { said: "gone" };
  if (JSON.stringify(now) !== listed) return { said: "changed", why: "it is not as it was listed" };
  await driver.remove(object_id, "keep");
  return { said: "removed" };
}
