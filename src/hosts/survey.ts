/** In: a config and the name of a host. Out: what is asked there, what it shows, and what of it is stale. Changes nothing. */
import { desire } from "../desire/desire.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import type { HostContainer, HostList, HostStale, Stale } from "../model/host.ts";
import { identityOf } from "../model/labels.ts";
import type { Host, ResolvedAgent } from "../model/settings.ts";
import { engineFor, failureOf } from "../observe/engines.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import { requireKnownHost } from "../policy/known-host.ts";
import type { Engine } from "../reconcile.ts";
import { fleetState } from "../state/directory.ts";
import { readHolds } from "../state/holds.ts";
import { nameMatcher } from "../util/path-pattern.ts";
import type { Look } from "./look.ts";
import { lookAt } from "./look.ts";
import { placeOf, targetOf } from "./place.ts";
import type { StaleContext } from "./stale.ts";
import { staleOn } from "./stale.ts";

/** The config's hosts, this machine among them. Nothing is dialled. */
export function listHosts(config: LoadedFleet): HostList {
  const { hosts, root } = config.fleet;
  const names = [THIS_HOST, ...Object.keys(hosts).toSorted()];
  const described = names.map((host) => {
    const agents = agentsOn(config, host);
    const place = placeOf(hosts[host], root);
    return {
      host,
      target: place === undefined ? null : targetOf(place),
      backends: [...new Set(agents.map((each) => each.settings.backend))].toSorted(),
      agents: agents.map((each) => each.name),
      labels: { ...hosts[host]?.labels },
      max_runtimes: hosts[host]?.max_runtimes ?? null,
    };
  });
  return { hosts: described, exit_code: 0 };
}

function agentsOn({ fleet }: LoadedFleet, host: string): readonly ResolvedAgent[] {
  return fleet.agents.filter(({ settings }) => engineFor(settings)?.host === host);
}

/** Throws NO_SUCH_HOST (exit 64) for a name that no table has. */
function hostNamed({ fleet }: LoadedFleet, name: string): Host | undefined {
  requireKnownHost(fleet.hosts, name);
  return name === THIS_HOST ? undefined : fleet.hosts[name];
}

/** Every host that can be looked at. */
function hostsToLookAt(config: LoadedFleet): readonly string[] {
  const { hosts, root } = config.fleet;
  return [THIS_HOST, ...Object.keys(hosts)].filter((name) => placeOf(hosts[name], root) !== undefined);
}

/** One round trip. Throws what kept it from being made. */
export async function lookAtHost(engine: Engine, config: LoadedFleet, name: string): Promise<Look> {
  const host = hostNamed(config, name);
  const agents = agentsOn(config, name);
  const here = name === THIS_HOST;
  const roots = agents.flatMap(({ settings }) => {
    const { workspace_root: root } = settings.options;
    return typeof root === "string" ? [root] : [];
  });
  const engines = new Set(
    agents.map((each) => each.settings.backend).filter((each) => isContainerEngine(each)),
  );
  return lookAt(
    {
      name,
      host,
      roots: [...roots, ...(host?.adopt?.roots ?? []), ...(here ? [`${engine.stateDir}/local`] : [])],
      disks: here ? [["state", engine.stateDir]] : [],
      engines: [...engines],
      folder: config.fleet.root,
    },
    engine,
  );
}

/** Command lines that the look knows how to ask. */
const CONTAINER_ENGINES: ReadonlySet<string> = new Set(["docker", "podman"]);

function isContainerEngine(backend: string): boolean {
  return CONTAINER_ENGINES.has(backend);
}

/** What of a look is stale, by the fleet's config. */
export async function judgeHost(
  engine: Engine,
  config: LoadedFleet,
  look: Look,
  olderThan: number,
): Promise<readonly Stale[]> {
  const { snapshot } = look;
  const { fleet, modules, paths } = config;
  const rules = fleet.hosts[snapshot.host]?.adopt;
  const [directory, container] = await Promise.all([
    nameMatcher(rules?.directories ?? []),
    nameMatcher(rules?.containers ?? []),
  ]);
  const labels = await Promise.all(
    Object.entries(rules?.labels ?? {}).map(async ([key, glob]) => [key, await nameMatcher([glob])] as const),
  );
  const known = [...snapshot.containers, ...snapshot.directories].flatMap((each) => {
    const identity = identityOf(each.labels);
    return identity?.fleet === fleet.fleet ? [identity.address] : [];
  });
  const declared = desire({ fleet, modules, paths, known }).filter((each) => each.host === snapshot.host);
  const now = engine.now();
  const holds = await readHolds(fleetState(engine.stateDir, fleet.fleet), now);
  const context: StaleContext = {
    fleet: fleet.fleet,
    fleet_id: fleet.fleet_id,
    declared: new Set(declared.map((each) => each.address)),
    held: new Map(holds.map((each) => [each.address, each.reason])),
    now,
    older_than: olderThan,
    adoptsDirectory: directory,
    adoptsContainer: (each: HostContainer) =>
      container(each.name) ||
      labels.some(([key, matches]) => each.labels[key] !== undefined && matches(each.labels[key] ?? "")),
  };
  return staleOn(snapshot, context);
}

/** An engine that the fleet has there and that gave no answer may hold anything. */
function unseenEngines(config: LoadedFleet, { snapshot }: Look): HostStale["unobserved"] {
  const { host: name, engines } = snapshot;
  const host = config.fleet.hosts[name];
  const used = new Set(agentsOn(config, name).map((each) => each.settings.backend));
  if (host?.docker !== undefined) used.add("docker");
  if (host?.podman !== undefined) used.add("podman");
  return engines
    .filter(({ engine, status }) => status !== "ready" && used.has(engine))
    .map(({ engine, message }) => ({
      host: name,
      message: `${engine}: ${message ?? "its command line is not there"}`,
      hint: "what its engine holds is not judged",
    }));
}

export interface Judged {
  readonly looks: ReadonlyMap<string, Look>;
  readonly report: Omit<HostStale, "exit_code">;
}

/** Side by side: a host that cannot be reached is told, and keeps no other from being looked at. */
export async function findStale(
  engine: Engine,
  config: LoadedFleet,
  request: { readonly name: string | undefined; readonly older_than: number },
): Promise<Judged> {
  const names = request.name === undefined ? hostsToLookAt(config) : [request.name];
  for (const name of names) hostNamed(config, name);
  const looks = new Map<string, Look>();
  const unobserved: HostStale["unobserved"] = [];
  const found = await Promise.all(
    names.map(async (name) => {
      try {
        const look = await lookAtHost(engine, config, name);
        looks.set(name, look);
        unobserved.push(...unseenEngines(config, look));
        return await judgeHost(engine, config, look, request.older_than);
      } catch (thrown) {
        const { message, hint } = failureOf(thrown);
        unobserved.push({ host: name, message, hint: hint ?? null });
        return [];
      }
    }),
  );
  const report = {
    older_than_s: request.older_than / 1000,
    hosts: [...names],
    stale: found.flat(),
    unobserved: unobserved.toSorted((a, b) => (a.host < b.host ? -1 : 1)),
  };
  return { looks, report };
}
