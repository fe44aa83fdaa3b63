/**
 * The memory backend: a real, small engine in this process, for tests and benchmarks.
 * In: a world (its machines, images, faults). Out: a driver that keeps the contract the way Docker or a directory would.
 * It is in no registry, keeps nothing on disk, and never looks at what a caller means to do.
 */
import type { Capabilities } from "../../model/capabilities.ts";
import type { Settings } from "../../model/settings.ts";
import type { Driver, DriverModule, Requirement } from "../driver.ts";
import type { LaneBounds } from "../../model/lanes.ts";
import { THIS_HOST } from "../driver.ts";
import { memoryWriter } from "./apply.ts";
import { memoryBuilder } from "./build.ts";
import { memoryFields } from "./fields.ts";
import { memoryReader } from "./observe.ts";
import { normaliseOptions } from "./spec.ts";
import type { MemoryWorld } from "./world.ts";

/** A driver module over one world; open it as often as there are processes to play. */
export function memoryDriver(world: MemoryWorld): DriverModule {
  const process = world.lifecycle === "process";
  const ephemeral = world.lifecycle === "ephemeral";
  const capabilities: Capabilities = {
    lifecycle: world.lifecycle,
    exec: true,
    tty: !ephemeral,
    ...(ephemeral ? { stdin: "whole" } : {}),
    events: !ephemeral,
    images: process,
    reports_execs: !ephemeral,
    changes: !ephemeral,
    parallelism: 4,
    networks: process,
    ...world.capabilities,
  };
  return {
    backend: "memory",
    capabilities,
    fields: memoryFields(world.lifecycle),
    provider(settings, host) {
      if (settings.workspace.access === "none") return "own";
      if (ephemeral) return "copy";
      if (host !== undefined) return "volume";
      return process ? "bind" : "link";
    },
    notes: () => [],
    require: (settings) => tooManyCpus(settings.options["cpus"]),
    normalise: normaliseOptions,
    preflight: async () => ({ status: "ready" }),
    ...(ephemeral ? { lane: laneBounds, cache: () => world.cache?.bounds } : {}),
    openReader: async (host) => memoryReader(world.connect(host?.name ?? THIS_HOST)),
    async open(host): Promise<Driver> {
      const connection = world.connect(host?.name ?? THIS_HOST);
      if (ephemeral) return memoryBuilder(connection);
      return { ...memoryReader(connection), ...memoryWriter(connection) };
    },
  };
}

function count(value: unknown, usual: number): number {
  return typeof value === "number" ? value : usual;
}

function laneBounds({ options }: Settings): LaneBounds {
  return {
    max_parallel: count(options["max_parallel"], 4),
    queue_capacity: count(options["queue_capacity"], 32),
  };
}

const CPUS = 64;

function tooManyCpus(cpus: unknown): readonly Requirement[] {
  if (typeof cpus !== "number" || cpus <= CPUS) return [];
  const message = `a machine of the memory backend has ${CPUS} CPUs, not ${cpus}`;
  return [{ path: "memory.cpus", code: "too-many-cpus", message, hint: `Ask for at most ${CPUS}.` }];
}
