import type { EngineInventory, HostContainer } from "../../model/host.ts";
import type { ImageIdentity } from "../../model/spec.ts";
import type { HealthReport, HeldImages, ImageQuery, ImageState, ReadDriver } from "../driver.ts";
import { SandkeepError } from "../../errors.ts";
import { changesOf } from "./changes.ts";
import { listFleet, lookOf } from "./machine.ts";
import { memoryEvents } from "./events.ts";
import type { Machine, MemoryObject } from "./machine.ts";
import type { Connection, MemoryWorld } from "./world.ts";

const PLATFORM = "linux/amd64";

/** One kind of digest here, so what the registry and the engine call an image is the same. */
function resolve(
  world: MemoryWorld,
  machine: Machine,
  ref: string,
  policy: string,
  { known, platform }: ImageQuery,
): ImageState {
  const held = machine.images.get(ref);
  const offered = policy === "never" ? undefined : world.registry.get(ref);
  const identity = (digest: string): ImageIdentity => world.identity(ref, digest);
  const unresolved = `no registry has ${ref}`;
  if (platform !== undefined) {
    return offered === undefined
      ? { status: "absent", unresolved }
      : { status: "absent", from: { ...identity(offered), platform } };
  }
  const locked = known?.find((each) => each.platform === PLATFORM)?.digest;
  const exact = known !== undefined || policy === "track" || policy === "pin";
  const digest = known !== undefined || policy === "pin" ? locked : exact ? offered : (held ?? offered);
  if (digest !== undefined) {
    const image = identity(digest);
    return held === digest ? { status: "present", image } : { status: "absent", image, from: image };
  }
  if (!exact) return { status: "absent" };
  return held === undefined
    ? { status: "absent", unresolved }
    : { status: "present", image: identity(held), unresolved };
}

function heldImages(machine: Machine): HeldImages {
  const objects = [...machine.objects.values()];
  const images = [...new Set(machine.images.values())].map((digest) => ({
    image_id: digest,
    names: [...machine.images].filter(([, each]) => each === digest).map(([ref]) => ref),
    size: 0,
    used_by: objects.filter((each) => each.image?.digest === digest).map((each) => each.name),
  }));
  return { engine_id: machine.host, platform: PLATFORM, images };
}

function inventoryOf(machine: Machine, wanted: readonly string[]): EngineInventory {
  const containers = [...machine.objects.values()].map((each) => toldOf(each, wanted));
  const about = { node: machine.host, kernel: "", cpus: null, memory_total: null, version: "1", root: "/" };
  return { ...about, containers, left: 0 };
}

function toldOf(object: MemoryObject, wanted: readonly string[]): HostContainer {
  return {
    engine: "memory",
    object_id: object.id,
    name: object.name,
    status: object.state,
    created_at: new Date(object.createdAt).toISOString(),
    execs: 0,
    labels: Object.fromEntries(Object.entries(object.labels).filter(([key]) => wanted.includes(key))),
  };
}

/** The half that cannot change anything; it holds no function that could. */
export function memoryReader(connection: Connection): ReadDriver {
  const { world, machine } = connection;
  return {
    lacks: async (settings) => settings.map((each) => world.lacks(each)),
    async probe() {
      try {
        return await connection.call("probe", machine.host, () => ({ status: "ready" as const }));
      } catch (error) {
        if (!(error instanceof SandkeepError)) throw error;
        const reason = {
          code: "unreachable" as const,
          message: error.message,
          fix: "Let the test make it reachable.",
        };
        return { status: "unavailable", reasons: [reason] };
      }
    },
    async observe(scope) {
      const where = { backend: "memory", host: machine.host };
      try {
        const cache = connection.world.cache?.use;
        const found = listFleet(await connection.view(), scope);
        return { status: "complete", ...where, ...found, ...(cache === undefined ? {} : { cache }) };
      } catch (error) {
        if (!(error instanceof SandkeepError)) throw error;
        return { status: "unobserved", ...where, kind: error.kind, message: error.message, hint: error.hint };
      }
    },
    inspect: async (objectId) =>
      connection.call("inspect", objectId, () => {
        const object = machine.objects.get(objectId);
        return object && lookOf(object);
      }),
    health: async (objectId) => connection.call("health", objectId, () => healthOf(connection, objectId)),
    changes: async (objectId, workspace) =>
      connection.call("changes", objectId, () => {
        const object = machine.objects.get(objectId);
        return object && changesOf(machine, object, workspace);
      }),
    resolveImage: async (ref, policy, query = {}) =>
      connection.call("resolveImage", ref, () => resolve(world, machine, ref, policy, query)),
    images: async () => connection.call("images", "", () => heldImages(machine)),
    inventory: async (labels) => connection.call("inventory", "", () => inventoryOf(machine, labels)),
    held: async (objectId, labels) =>
      connection.call("inspect", objectId, () => {
        const object = machine.objects.get(objectId);
        return object && toldOf(object, labels);
      }),
    events: async (scope, signal) =>
      connection.call("events", scope.fleet, () => memoryEvents(machine, scope, signal)),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function healthOf({ world, machine }: Connection, objectId: string): HealthReport {
  const object = machine.objects.get(objectId);
  if (object === undefined) return { state: "missing", health: "none", running_ms: 0, main: "program" };
  const running = object.state === "running";
  const since = object.startedAt ?? world.now();
  return {
    state: running ? "running" : "exited",
    health: "none",
    running_ms: running ? world.now() - since + world.uptime : 0,
    main: "program",
    ...(object.exitCode === undefined ? {} : { exit_code: object.exitCode }),
    ...world.healthScript(object.name, world.nthHealth(objectId)),
  };
}
