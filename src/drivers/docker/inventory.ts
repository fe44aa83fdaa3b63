/** In: an engine. Out: what its API tells of itself, its machine and all that it holds. It changes nothing. */
import type { DiskUse, EngineInventory, HostContainer } from "../../model/host.ts";
import type { Engine } from "./client.ts";
import type { EngineFacts } from "./facts.ts";
import { findContainer } from "./find-container.ts";
import { listContainers } from "./observe.ts";
import type { Container } from "./wire-container.ts";
import { readDiskUse } from "./wire-disk-use.ts";
import { time } from "./wire.ts";

/** The newest are told; who has more is told how many are left out. */
const MOST = 1000;
const DISK_USE_MS = 60_000;

export async function inventory(
  engine: Engine,
  facts: EngineFacts,
  labels: readonly string[],
): Promise<EngineInventory> {
  const [info, listed, disk_use] = await Promise.all([
    facts.info(),
    listContainers(engine, {}),
    diskUse(engine),
  ]);
  const found = await Promise.all(listed.slice(0, MOST).map(({ Id }) => findContainer(engine, Id)));
  const containers = found.flatMap((each) =>
    each === undefined ? [] : [told(each, engine.dialect.name, labels)],
  );
  return {
    node: info.Name,
    kernel: info.KernelVersion,
    cpus: info.NCPU === 0 ? null : info.NCPU,
    memory_total: info.MemTotal === 0 ? null : info.MemTotal,
    version: info.ServerVersion,
    root: info.DockerRootDir,
    containers,
    ...(disk_use === undefined ? {} : { disk_use }),
    left: Math.max(0, listed.length - MOST),
  };
}

export async function held(
  engine: Engine,
  objectId: string,
  labels: readonly string[],
): Promise<HostContainer | undefined> {
  const container = await findContainer(engine, objectId);
  return container && told(container, engine.dialect.name, labels);
}

/** It walks through everything: an engine that is too slow for it still tells the rest. */
async function diskUse(engine: Engine): Promise<DiskUse | undefined> {
  const call = { what: "ask for disk use", method: "GET", path: "/system/df", timeout: DISK_USE_MS } as const;
  return engine.json(call, readDiskUse).catch(() => undefined);
}

function told(container: Container, engine: string, labels: readonly string[]): HostContainer {
  const { Id, Name, Created, State, ExecIDs, Config } = container;
  const created = time(Created);
  return {
    engine,
    object_id: Id,
    name: Name.replace(/^\//, ""),
    status: State.Status,
    created_at: created === undefined ? null : new Date(created).toISOString(),
    execs: ExecIDs.length,
    labels: Object.fromEntries(
      labels.flatMap((key) => (Config.Labels[key] === undefined ? [] : [[key, Config.Labels[key]]])),
    ),
  };
}
