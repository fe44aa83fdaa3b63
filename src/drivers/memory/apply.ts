import { posix } from "node:path";
import type { Readable } from "node:stream";
import type { Json } from "../../model/json.ts";
import { decodeLabels, encodeLabels } from "../../model/labels.ts";
import { getPath } from "../../util/json-path.ts";
import { OWN_NETWORK } from "../../model/network.ts";
import { foreignBecause } from "../../model/ownership.ts";
import type {
  CreateRequest,
  Created,
  Driver,
  ExecRequest,
  ObserveScope,
  ReadDriver,
  UpdateRequest,
} from "../driver.ts";
import { attestObject } from "./attest.ts";
import { salvageOf } from "./changes.ts";
import { memoryError } from "./errors.ts";
import type { Place, Running } from "./exec.ts";
import { mainOutcome, startCommand } from "./exec.ts";
import { memoryFields } from "./fields.ts";
import { FileTree } from "./file-tree.ts";
import type { Machine, MemoryObject } from "./machine.ts";
import { SECRETS } from "./machine.ts";
import { locate, targetOf, usesVolume, volumeKey } from "./place.ts";
import { ensureNetwork, removeNetwork, requireNetwork } from "./networks.ts";
import { placeProgram } from "./program.ts";
import { mainCommand, observableFields, strings, textAt } from "./spec.ts";
import { openWorkspace } from "./workspace.ts";
import type { Connection, MemoryWorld } from "./world.ts";

/** The half that changes the engine; each method is one idempotent effect. */
export function memoryWriter(connection: Connection): Omit<Driver, keyof ReadDriver> {
  const { world, machine } = connection;
  const { call } = connection;
  return {
    fetch: async (ref, policy, onProgress, wanted) =>
      call("fetch", ref, () => {
        const held = machine.images.get(ref);
        const offered = policy === "never" ? undefined : world.registry.get(ref);
        const digest = wanted?.digest ?? (policy === "track" ? offered : (held ?? offered));
        if (digest === undefined) throw memoryError("not-found", `there is no image ${ref}`);
        onProgress(`pulled ${ref}`, 1);
        const pulled = held !== digest;
        machine.images.set(ref, digest);
        return {
          image: world.identity(ref, digest),
          image_id: digest,
          engine_id: machine.host,
          pulled,
        };
      }),
    removeImage: async (imageId) => call("removeImage", imageId, () => removeImage(machine, imageId)),
    create: async (request) => call("create", request.name, () => createObject(world, machine, request)),
    start: async (objectId) =>
      call("start", objectId, () => startObject(world, machine, machine.object(objectId))),
    stop: async (objectId) =>
      call("stop", objectId, () => {
        const object = machine.objects.get(objectId);
        // What is gone or never ran is as stopped as it can be; a directory has no process to stop.
        if (object?.state !== "running" || world.lifecycle === "directory") return;
        machine.stop(object, 143);
      }),
    update: async (request) => call("update", request.objectId, () => updateObject(world, machine, request)),
    rename: async (objectId, to) =>
      call("rename", objectId, () => machine.rename(machine.object(objectId), to)),
    ...(world.lifecycle === "process" ? networkWriter(connection) : {}),
    remove: async (objectId, workspace) =>
      call("remove", objectId, () => {
        const object = machine.objects.get(objectId);
        if (object === undefined) return;
        machine.remove(object);
        if (workspace === "delete") machine.volumes.delete(volumeKey(object));
      }),
    mark: async (scope, address, mark) => call("mark", address, () => machine.mark(scope, address, mark)),
    forget: async (scope, address) => call("forget", address, () => forgetWorkspace(machine, scope, address)),
    exec: async (request) => call("exec", request.objectId, () => execIn(world, machine, request)),
    deliver: async (objectId, secrets) =>
      call("deliver", objectId, () => deliverTo(world, machine, machine.object(objectId), secrets)),
    attest: async (objectId, spec) =>
      call("attest", objectId, () => attestObject(world, machine.object(objectId), spec)),
    ...fileWriter(connection),
    salvage: async (objectId, workspace) =>
      call("salvage", objectId, () => salvageOf(machine, objectId, workspace)),
  };
}

function fileWriter(connection: Connection) {
  const { world, machine, call } = connection;
  return {
    openWorkspace: async (objectId) =>
      call("openWorkspace", objectId, () => openWorkspace(connection, machine.object(objectId))),
    placeProgram: async (objectId, program) =>
      call("placeProgram", objectId, async () => placeProgram(machine.object(objectId), program)),
    putFiles: async (objectId, directory, tar) =>
      call("putFiles", objectId, async () => {
        const { tree, path } = locate(world, machine, machine.object(objectId), directory);
        await tree.unpack(path, tar);
      }),
    getFiles: async (objectId, path) =>
      call("getFiles", objectId, async () => packFrom(world, machine, objectId, path)),
  } satisfies Partial<Driver>;
}

async function packFrom(
  world: MemoryWorld,
  machine: Machine,
  objectId: string,
  path: string,
): Promise<Readable> {
  const place = locate(world, machine, machine.object(objectId), path);
  return place.tree.pack(place.path, posix.basename(path));
}

function networkWriter({ world, machine, call }: Connection): Required<NetworkWriter> {
  return {
    ensureNetwork: async (request) =>
      call("ensureNetwork", request.name, () => ensureNetwork(world, machine, request)),
    removeNetwork: async (objectId) =>
      call("removeNetwork", objectId, () => removeNetwork(machine, objectId)),
  };
}

type NetworkWriter = Pick<Driver, "ensureNetwork" | "removeNetwork">;

function removeImage(machine: Machine, imageId: string): void {
  const users = [...machine.objects.values()].filter((each) => each.image?.digest === imageId);
  if (users.length > 0) throw memoryError("conflict", `image ${imageId} is in use`);
  for (const [ref, digest] of machine.images) if (digest === imageId) machine.images.delete(ref);
}

function createObject(world: MemoryWorld, machine: Machine, request: CreateRequest): Created {
  const { name, spec } = request;
  if (machine.names.has(name)) throw memoryError("conflict", `the name ${name} is taken`);
  const ref = textAt(spec, "memory.image");
  const digest = ref === undefined ? undefined : machine.images.get(ref);
  if (ref !== undefined && digest === undefined) throw memoryError("not-found", `there is no image ${ref}`);
  const labels = encodeLabels(request.labels);
  if (textAt(spec, "memory.network") === OWN_NETWORK) requireNetwork(machine, request);
  const directory = world.lifecycle === "directory";
  const object: MemoryObject = {
    id: world.nextId(),
    name,
    labels,
    decoded: decodeLabels(labels),
    spec,
    state: directory ? "running" : "created",
    createdAt: world.now(),
    startedAt: directory ? world.now() : undefined,
    exitCode: undefined,
    fields: kept(world, observableFields(spec)),
    image: ref === undefined || digest === undefined ? undefined : world.identity(ref, digest),
    files: new FileTree(),
    running: new Set(),
    seen: undefined,
  };
  const isVolume = textAt(spec, "workspace.provider") === "volume";
  const needsSeed = isVolume && !machine.volumes.has(volumeKey(object));
  if (needsSeed) {
    const { fleet, fleet_id, address } = request.labels;
    machine.volumes.set(volumeKey(object), { fleet, fleet_id, address, files: new FileTree() });
  }
  machine.add(object);
  return { objectId: object.id, needsSeed, ...(world.warnings.length > 0 && { warnings: world.warnings }) };
}

function kept(world: MemoryWorld, fields: Readonly<Record<string, Json>>): Record<string, Json> {
  const seen = Object.entries(fields).map(([path, value]) => [path, world.dropped.has(path) ? null : value]);
  return Object.fromEntries(seen);
}

function forgetWorkspace(machine: Machine, scope: ObserveScope, address: string): void {
  const users = new Set([...machine.objects.values()].filter(usesVolume).map((each) => volumeKey(each)));
  for (const [key, volume] of machine.volumes) {
    if (volume.address !== address || foreignBecause(scope, volume) !== undefined) continue;
    if (users.has(key)) throw memoryError("conflict", `the workspace of ${address} is in use`);
    machine.volumes.delete(key);
  }
}

function startObject(world: MemoryWorld, machine: Machine, object: MemoryObject): void {
  if (object.state === "running") return;
  machine.start(object, world.now());
  const outcome = mainOutcome(mainCommand(object.fields["memory.command"]) ?? []);
  if (outcome !== undefined) machine.stop(object, outcome);
}

function updateObject(world: MemoryWorld, machine: Machine, request: UpdateRequest): void {
  const object = machine.object(request.objectId);
  const rows = memoryFields(world.lifecycle);
  for (const path of request.paths) {
    const after = getPath(request.spec.values, path);
    const row = rows.find((each) => each.path === path);
    if (row?.classify(object.fields[path], after) === "recreate") {
      throw memoryError("terminal", `${path} cannot be changed on a runtime that exists`);
    }
  }
  for (const path of request.paths) {
    const after = getPath(request.spec.values, path);
    if (world.dropped.has(path)) continue;
    if (after === undefined) delete object.fields[path];
    else object.fields[path] = after;
  }
  // Labels of a process engine never change; a directory's manifest can.
  if (world.lifecycle === "directory") machine.relabel(object, request.labels);
  else machine.changed(object);
}

function deliverTo(
  world: MemoryWorld,
  machine: Machine,
  object: MemoryObject,
  secrets: Readonly<Record<string, string>>,
): void {
  if (object.state !== "running") throw memoryError("conflict", `${object.name} is not running`);
  const waits = object.fields[SECRETS];
  if (!Array.isArray(waits) || waits.length > 0) return;
  object.fields[SECRETS] = Object.keys(secrets).toSorted();
  world.delivered.push({ name: object.name, secrets });
  machine.changed(object);
}

function execIn(
  world: MemoryWorld,
  machine: Machine,
  request: ExecRequest,
): ReturnType<typeof startCommand>["handle"] {
  const object = machine.object(request.objectId);
  if (object.state !== "running") throw memoryError("conflict", `${object.name} is not running`);
  const place: Place = {
    env: strings(object.fields["env"]),
    cwd: targetOf(object),
    commands: world.commands,
    files: (path) => locate(world, machine, object, path),
  };
  const leave = (running: Running): void => {
    object.running.delete(running);
    // No event: who runs what in it changes nothing about a runtime.
    object.seen = undefined;
  };
  const { handle, running } = startCommand(request, place, leave);
  object.running.add(running);
  object.seen = undefined;
  return handle;
}
