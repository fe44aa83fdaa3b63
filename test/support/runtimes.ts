// Plain values of the decision stages: what is wanted and what is there, without files, engines or clocks.
import { BUILT_IN } from "../../src/resolve/defaults.ts";
import type { DesiredRuntime } from "../../src/desire/desire.ts";
import { specHash } from "../../src/desire/hash.ts";
import { runtimeName } from "../../src/desire/identity.ts";
import { normaliseSpec } from "../../src/desire/normalise.ts";
import type { DriverModule, PathFacts } from "../../src/drivers/driver.ts";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import type { Facts } from "../../src/model/facts.ts";
import type { JsonObject } from "../../src/model/json.ts";
import type { RuntimeLabels } from "../../src/model/labels.ts";
import type { Address } from "../../src/model/names.ts";
import type { Observation, ObservedRuntime } from "../../src/model/observed.ts";
import type { Provenance, ResolvedAgent, ResolvedFleet, Settings } from "../../src/model/settings.ts";
import type { Spec } from "../../src/model/spec.ts";
import { getPath } from "../../src/util/json-path.ts";

/** The moment at which decisions are made here, milliseconds since the epoch. */
export const NOW = Date.UTC(2030, 0, 10);
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export const OWNER = "a".repeat(16);
export const STRANGER = "b".repeat(16);

export const paths: PathFacts = {
  root: "/repo",
  home: "/home/me",
  realPath: (path) => (path.startsWith("/link") ? path.replace("/link", "/real") : path),
  unseen: () => undefined,
  readText: () => undefined,
  found: () => undefined,
};

export const memory: DriverModule = memoryDriver(createWorld());
export const modules = { memory };

export function settingsOf(more: Partial<Settings> = {}): Settings {
  return {
    mode: "all",
    scope: "agent",
    backend: "memory",
    writes: "direct",
    provision: "eager",
    protect: false,
    attest: false,
    setup: [],
    env: {},
    secrets: {},
    workspace: { source: "/repo", access: "rw", target: "/workspace" },
    timeouts: BUILT_IN.timeouts,
    prune: { idle: DAY, max_age: 7 * DAY },
    disruption: { when: "idle", max_wait: HOUR },
    salvage: BUILT_IN.salvage,
    options: {},
    ...more,
  };
}

/** Says of every value that line 7 of the fleet's file says it. */
export const sayLine7 = (path: string): Provenance => ({
  layer: "default",
  key: ["sandbox", ...path.split(".")],
  source: { file: "/repo/sandkeep.toml", line: 7, column: 1 },
});

export function agentOf(
  name: string,
  more: Partial<Settings> = {},
  sessions: readonly string[] = ["main"],
): ResolvedAgent {
  return { name, sessions, settings: settingsOf(more), provenance: sayLine7 };
}

export function fleetOf(agents: readonly ResolvedAgent[], more: Partial<ResolvedFleet> = {}): ResolvedFleet {
  return {
    fleet: "team",
    fleet_id: "k3v9q2",
    name_prefix: "sandkeep",
    root: "/repo",
    agents,
    telemetry: { export: "off" },
    canary: { every: "off" },
    salvage: BUILT_IN.salvage,
    hosts: {},
    guards: { max_destroy: "off", allow_empty: false },
    runs: {
      max_log: 1024 * 1024,
      ephemeral_ttl: 3_600_000,
      artifacts: [],
      max_artifacts: 1024 * 1024,
      cleanup: { automatic: false, older_than: 7 * DAY, failed_only: false, source: "all" },
    },
    stage: { auto_apply: [], deny: [], max_bytes: "unlimited", git_ignored: "include" },
    rollout: { max_parallel: "off", canary: 1, pause_on_failure: true },
    watch: { resync: 300_000, workers: 4, debounce: 500 },
    ...more,
  };
}

export interface Wish {
  readonly address?: Address;
  readonly module?: DriverModule;
  readonly settings?: Partial<Settings>;
  readonly host?: string;
  readonly provision?: "eager" | "on-use";
}

/** A desired runtime of agent `a`, made as `desire` makes it. */
export function wish({
  address = "agent/a",
  module = memory,
  host = "local",
  settings: more,
  ...rest
}: Wish = {}): DesiredRuntime {
  const settings = settingsOf({ backend: module.backend, ...more });
  const spec = normaliseSpec("sandbox", settings, module, undefined, paths);
  const ref = getPath(spec.values, `${module.backend}.image`);
  return {
    address,
    kind: "sandbox",
    backend: module.backend,
    host,
    name: runtimeName("sandkeep", "team", address),
    agent: "a",
    spec,
    spec_hash: specHash(spec, module.fields),
    settings,
    provision: rest.provision ?? settings.provision,
    provenance: sayLine7,
    ...(typeof ref === "string" ? { image: { ref, policy: "missing" } } : {}),
  };
}

/** Field-table values as an engine shows those of a spec. */
export function shown(spec: Spec, module: DriverModule = memory): JsonObject {
  const unseen = new Set(["setup", "secrets", "ready", `${module.backend}.image_policy`]);
  const fields: Record<string, NonNullable<ReturnType<typeof getPath>>> = {};
  for (const { path } of module.fields) {
    const value = getPath(spec.values, path);
    if (value !== undefined && value !== null && !unseen.has(path)) fields[path] = value;
  }
  return fields;
}

export interface Found extends Partial<Omit<ObservedRuntime, "labels">> {
  readonly labels?: Partial<RuntimeLabels>;
}

/** The runtime that `desired` would have become: running, an hour old, and as its spec says. */
export function found(desired: DesiredRuntime, more: Found = {}): ObservedRuntime {
  return {
    object_id: "object-1",
    name: desired.name,
    state: "running",
    health: "none",
    created_at: NOW - HOUR,
    started_at: NOW - HOUR,
    fields: shown(desired.spec) as ObservedRuntime["fields"],
    execs: 0,
    ...more,
    labels: {
      fleet: "team",
      fleet_id: "k3v9q2",
      address: desired.address,
      kind: "sandbox",
      role: "primary",
      name: desired.name,
      agent: desired.agent,
      spec_hash: desired.spec_hash,
      spec: desired.spec,
      secrets: {},
      protect: false,
      owner: OWNER,
      created_at: NOW - HOUR,
      candidate_until: NOW - HOUR,
      ...more.labels,
    },
  };
}

export function factsOf(more: Partial<Facts> = {}): Facts {
  return {
    owner: OWNER,
    changing: false,
    open_runs: [],
    holds: [],
    activity: {},
    sightings: {},
    updates: {},
    deferred: {},
    left_alone: [],
    hosts: [],
    ...more,
  };
}

export function seen(
  runtimes: readonly ObservedRuntime[],
  more: Partial<Extract<Observation, { status: "complete" }>> = {},
): Extract<Observation, { status: "complete" }> {
  return {
    status: "complete",
    backend: "memory",
    host: "local",
    runtimes,
    foreign: [],
    dormant: [],
    ...more,
  };
}
