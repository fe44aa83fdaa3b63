/**
 * In comes a loaded config and what paths really are, out come the effective settings of every agent, each leaf with
 * who said it, and what contradicts itself. Pure: it reads no file and no environment; secrets stay references.
 */
import type { Config } from "../config/schema/root.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { NetworkSettings, ResolvedFleet } from "../model/settings.ts";
import type { ConfigInput } from "./agents.ts";
import { resolveAgents } from "./agents.ts";
import { checkReports } from "./reports.ts";
import { checkAgents, checkHosts } from "./checks.ts";
import { resolveHosts, telemetryOf } from "./hosts.ts";
import { GUARDS, NAME_PREFIX, ROLLOUT, WATCH } from "./defaults.ts";
import type { PathFacts } from "../util/path-facts.ts";
import { checkPlaces, placesOf } from "./places.ts";
import { resolveRuns } from "./runs.ts";
import { mergeSalvage } from "./settings.ts";
import { checkStage, resolveStage } from "./stage.ts";
import { checkSharedRuntime } from "./shared.ts";

export interface Resolution {
  /** Absent when a diagnostic is an error: nothing may act on half a meaning. */
  readonly fleet?: ResolvedFleet;
  /** The same fleet even with errors, only for finding further problems and for showing. */
  readonly draft: ResolvedFleet;
  readonly diagnostics: readonly Diagnostic[];
}

export function resolve(loaded: ConfigInput, facts: Pick<PathFacts, "home" | "realPath">): Resolution {
  const { config } = loaded;
  const root = facts.realPath(loaded.root);
  const agents = resolveAgents(loaded, root, facts);
  const hosts = resolveHosts(config, root, facts.home);
  const draft: ResolvedFleet = {
    fleet: config.fleet,
    ...(config.fleet_id === undefined ? {} : { fleet_id: config.fleet_id }),
    name_prefix: config.name_prefix ?? NAME_PREFIX,
    root,
    agents: agents.map((each) => each.agent),
    salvage: mergeSalvage(config.sandbox ?? {}),
    hosts: { ...hosts, ...placesOf(agents, { root, home: facts.home }, hosts) },
    networks: resolveNetworks(config),
    guards: {
      max_destroy: config.guards?.max_destroy ?? GUARDS.max_destroy,
      allow_empty: config.guards?.allow_empty ?? GUARDS.allow_empty,
    },
    rollout: {
      max_parallel: config.rollout?.max_parallel ?? ROLLOUT.max_parallel,
      canary: canaryOf(config.rollout?.canary) ?? ROLLOUT.canary,
      pause_on_failure: config.rollout?.pause_on_failure ?? ROLLOUT.pause_on_failure,
    },
    watch: {
      resync: config.watch?.resync ?? WATCH.resync,
      workers: config.watch?.workers ?? WATCH.workers,
      debounce: config.watch?.debounce ?? WATCH.debounce,
    },
    telemetry: telemetryOf(config, root, facts.home),
    canary: {
      every: config.canary?.every ?? "off",
      ...(config.canary?.hosts === undefined ? {} : { hosts: config.canary.hosts }),
    },
    runs: resolveRuns(config.runs),
    stage: resolveStage(config.stage),
    ...(config.secrets?.key === undefined ? {} : { secrets_key: config.secrets.key }),
  };
  const diagnostics = [
    ...checkHosts(draft.hosts, (path) => loaded.locate(path)),
    ...checkReports(config, (path) => loaded.locate(path)),
    ...checkAgents(agents),
    ...checkStage(draft.stage, (path) => loaded.locate(path)),
    ...checkSharedRuntime(agents),
    ...checkPlaces(agents),
  ];
  const valid = diagnostics.every((each) => each.severity !== "error");
  return { ...(valid ? { fleet: draft } : {}), draft, diagnostics };
}

function canaryOf(written: number | "off" | undefined): number | undefined {
  return written === "off" ? 0 : written;
}

function resolveNetworks(config: Config): Readonly<Record<string, NetworkSettings>> {
  const networks = Object.entries(config.networks ?? {}).map(([name, written]): [string, NetworkSettings] => {
    const { egress, subnet, gateway } = written;
    return [
      name,
      {
        name,
        driver: written.driver ?? "bridge",
        internal: written.internal ?? egress !== undefined,
        ...(subnet === undefined ? {} : { subnet }),
        ...(gateway === undefined ? {} : { gateway }),
        options: written.options ?? {},
        ...(egress === undefined ? {} : { egress }),
      },
    ];
  });
  return Object.fromEntries(networks);
}
