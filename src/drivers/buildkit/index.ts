/**
 * The buildkit backend: each command is a build on a worker, with a copy of the workspace as its context. In: settings, a
 * command. Out: its exact code and streams, and what it changed. It makes no runtime, and nothing stays on the worker but
 * cache; it never writes to a workspace itself.
 */
import type { Host, Settings } from "../../model/settings.ts";
import { isTable } from "../../model/json.ts";
import type { Driver, DriverDeps, DriverModule, HeldImages, ReadDriver } from "../driver.ts";
import type { CacheBounds } from "../../model/cache.ts";
import type { LaneBounds } from "../../model/lanes.ts";
import { refuseRuntimes } from "../ephemeral.ts";
import type { Observation } from "../../model/observed.ts";
import { fitted } from "./client.ts";
import { Dialer } from "./dial.ts";
import { askUsage, askWorker } from "./control.ts";
import { resolveEndpoint } from "./endpoint.ts";
import { buildkitError } from "./errors.ts";
import { execute } from "./exec.ts";
import { buildkitFields } from "./fields.ts";
import { resolveImage } from "./image.ts";
import { clientFor, preflight, probe } from "./probe.ts";
import { pruneCache } from "./prune.ts";
import { requireSettings } from "./requirements.ts";
import { normaliseOptions } from "./spec.ts";
import { cacheUse } from "./usage.ts";

export const buildkitDriver: DriverModule = {
  backend: "buildkit",
  capabilities: {
    lifecycle: "ephemeral",
    exec: true,
    tty: false,
    stdin: "whole",
    events: false,
    images: true,
    reports_execs: false,
    changes: false,
    parallelism: 4,
  },
  fields: buildkitFields,
  provider: (settings) => (settings.workspace.access === "none" ? "own" : "copy"),
  require: (settings) => requireSettings(settings),
  notes: boundaryNotes,
  normalise: (options) => normaliseOptions(options),
  preflight: (_settings, host, deps) => preflight(host, deps.env),
  lane: laneLimits,
  cache: cacheBounds,
  openReader: async (host, deps) => readerOf(new Worker(host, deps)),
  open: async (host, deps) => driverOf(new Worker(host, deps)),
};

function boundaryNotes(settings: Settings): readonly string[] {
  const { access } = settings.workspace;
  const copy =
    access === "rw"
      ? "it works on a copy of the workspace, and what it changed comes back at its end"
      : access === "ro"
        ? "it works on a copy of the workspace, and nothing it changes comes back"
        : "it sees no workspace";
  return [
    `ephemeral by nature: each command is a build of its own on the worker, as root of that build, without a terminal, its input read to the end before; ${copy}`,
  ];
}

function laneLimits({ options }: Settings): LaneBounds {
  const { max_parallel, queue_capacity } = options;
  return {
    max_parallel: typeof max_parallel === "number" ? max_parallel : 1,
    queue_capacity: typeof queue_capacity === "number" ? queue_capacity : 0,
  };
}

function cacheBounds({ options }: Settings): CacheBounds | undefined {
  const { cache } = options;
  if (!isTable(cache)) return undefined;
  const { max_age, max_size } = cache;
  const bounds = {
    ...(typeof max_age === "number" ? { max_age } : {}),
    ...(typeof max_size === "number" ? { max_size } : {}),
  };
  return Object.keys(bounds).length === 0 ? undefined : bounds;
}

/** One endpoint, connected to with the first call. */
class Worker implements AsyncDisposable {
  readonly host: Host | undefined;
  readonly deps: DriverDeps;
  #dialer: Promise<Dialer> | undefined;

  constructor(host: Host | undefined, deps: DriverDeps) {
    this.host = host;
    this.deps = deps;
  }

  dialer(): Promise<Dialer> {
    this.#dialer ??= resolveEndpoint(this.host).then((endpoint) => new Dialer(endpoint, this.deps));
    return this.#dialer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const dialer = await this.#dialer?.catch(() => undefined);
    await dialer?.[Symbol.asyncDispose]();
  }
}

function readerOf(worker: Worker): ReadDriver {
  const { inspect, health, events } = refuseRuntimes("buildkit");
  return {
    inspect,
    health,
    events,
    probe: () => probe(() => worker.dialer(), worker.host, worker.deps.env),
    observe: () => observe(worker),
    resolveImage: async (ref, policy, query) =>
      resolveImage({ dialer: await worker.dialer(), env: worker.deps.env }, ref, policy, query),
    images: async () => heldImages(await worker.dialer()),
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  };
}

/** A worker keeps cache, and nothing that goes by an image's name; the images of an engine around it are that engine's. */
async function heldImages(dialer: Dialer): Promise<HeldImages> {
  const { id, platform } = await askWorker(dialer);
  return { engine_id: id, platform, images: [] };
}

/** There is never anything to see; what can be seen is whether the worker answers. */
async function observe(worker: Worker): Promise<Observation> {
  const at = { backend: "buildkit", host: worker.host?.name ?? "" };
  try {
    const cache = cacheUse(await askUsage(await worker.dialer()));
    return { status: "complete", ...at, runtimes: [], foreign: [], dormant: [], cache };
  } catch (thrown) {
    const { kind, message, hint } = buildkitError("ask the worker", thrown);
    return { status: "unobserved", ...at, kind, message, hint };
  }
}

function driverOf(worker: Worker): Driver {
  const { deps, host } = worker;
  const context = async () => {
    const dialer = await worker.dialer();
    return { dialer, found: await fitted(await clientFor(deps.env, host), dialer, deps.env), deps };
  };
  return {
    ...refuseRuntimes("buildkit"),
    ...readerOf(worker),
    exec: async (request) => execute(await context(), request),
    prune: async (bounds) => pruneCache(await context(), bounds),
  };
}
