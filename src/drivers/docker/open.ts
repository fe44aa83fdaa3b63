import type { Host } from "../../model/settings.ts";
import type { Driver, DriverDeps, ReadDriver } from "../driver.ts";
import { create, remove, rename, start, stop, update } from "./apply.ts";
import { attest } from "./attest.ts";
import { changes, salvage } from "./changes.ts";
import { Engine } from "./client.ts";
import { deliver } from "./deliver.ts";
import type { Dialect } from "./dialect.ts";
import { EngineFacts } from "./facts.ts";
import { getFiles, putFiles } from "./files.ts";
import { health } from "./health.ts";
import { fetchImage } from "./fetch-image.ts";
import { heldImages, removeImage } from "./held-images.ts";
import { resolveImage } from "./images.ts";
import { ensureNetwork, removeNetwork } from "./networks.ts";
import { inspectRuntime, observe } from "./observe.ts";
import { lacks, probe } from "./probe.ts";
import { placeProgram } from "./program.ts";
import { execSealed } from "./sealed-exec.ts";
import { setMark } from "./volumes.ts";
import { forgetWorkspace } from "./workspaces.ts";

/** What each reader was told of its engine. */
const told = new WeakMap<ReadDriver, EngineFacts>();

/** Connects with the first call, so that opening never fails. The object holds nothing that could change an engine. */
export function openReader(dialect: Dialect, host: Host | undefined, deps: DriverDeps): ReadDriver {
  const engine = new Engine(dialect, host, deps);
  const facts = new EngineFacts(engine, deps.now);
  const reader = readerOf(engine, facts, host, deps);
  told.set(reader, facts);
  return reader;
}

export function openDriver(
  dialect: Dialect,
  host: Host | undefined,
  deps: DriverDeps,
  seenBy: ReadDriver | undefined,
): Driver {
  const engine = new Engine(dialect, host, deps);
  const facts = new EngineFacts(engine, deps.now, seenBy && told.get(seenBy));
  return {
    ...readerOf(engine, facts, host, deps),
    fetch: (ref, policy, onProgress, wanted) =>
      fetchImage({ engine, facts, env: deps.env }, { ref, policy, wanted }, onProgress),
    removeImage: (imageId) => removeImage(engine, imageId),
    create: (request) => create(engine, facts, deps, request),
    start: (objectId) => start(engine, objectId),
    stop: (objectId, graceS) => stop(engine, objectId, graceS),
    update: (request) => update(engine, request),
    rename: (objectId, to) => rename(engine, objectId, to),
    ...(dialect.networks ? networkMethods(engine) : {}),
    remove: (objectId, workspace) => remove(engine, objectId, workspace),
    mark: (scope, address, mark) => setMark(engine, scope, address, mark),
    forget: (scope, address) => forgetWorkspace(engine, scope, address),
    exec: (request) => execSealed(engine, deps, request),
    deliver: (objectId, secrets) => deliver(engine, deps, objectId, secrets),
    attest: (objectId, spec) => attest(engine, facts, deps, objectId, spec),
    placeProgram: (objectId, program) => placeProgram(engine, deps, objectId, program),
    putFiles: (objectId, directory, tar) => putFiles(engine, deps, objectId, directory, tar),
    getFiles: (objectId, path) => getFiles(engine, deps, objectId, path),
    openWorkspace: async (objectId) => {
      const { openWorkspace } = await import("./open-workspace.ts");
      return openWorkspace(engine, facts, deps, objectId);
    },
    ...(dialect.changes ? salvageMethods(engine) : {}),
  };
}

function networkMethods(engine: Engine): Pick<Driver, "ensureNetwork" | "removeNetwork"> {
  return {
    ensureNetwork: (request) => ensureNetwork(engine, request),
    removeNetwork: (objectId) => removeNetwork(engine, objectId),
  };
}

function changesMethods(engine: Engine): Pick<ReadDriver, "changes"> {
  return { changes: (objectId, workspace, signal) => changes(engine, objectId, workspace, signal) };
}

function salvageMethods(engine: Engine): Pick<Driver, "salvage"> {
  return { salvage: (objectId, workspace) => salvage(engine, objectId, workspace) };
}

function readerOf(engine: Engine, facts: EngineFacts, host: Host | undefined, deps: DriverDeps): ReadDriver {
  return {
    probe: () => probe(engine, facts),
    lacks: (settings) => lacks(engine, facts, settings),
    observe: (scope) => observe(engine, facts, scope, host),
    inspect: (objectId) => inspectRuntime(engine, facts, objectId),
    health: (objectId) => health(engine, facts, objectId),
    ...(engine.dialect.changes ? changesMethods(engine) : {}),
    resolveImage: (ref, policy, query) => resolveImage({ engine, facts, env: deps.env }, ref, policy, query),
    images: () => heldImages(engine, facts),
    inventory: async (labels) => {
      const { inventory } = await import("./inventory.ts");
      return inventory(engine, facts, labels);
    },
    held: async (objectId, labels) => {
      const { held } = await import("./inventory.ts");
      return held(engine, objectId, labels);
    },
    events: async (scope, signal) => {
      const { events } = await import("./events.ts");
      return events(engine, scope, signal);
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}
