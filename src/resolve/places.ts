/**
 * Backends whose section itself says what they connect to: the endpoint is the host's name, and the host's table is made
 * from the section. All agents of an endpoint share what there is only once, such as its lanes.
 */
import type { Diagnostic } from "../model/diagnostic.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { isTable } from "../model/json.ts";
import type { Host } from "../model/settings.ts";
import { parseTarget, targetText } from "../util/ssh-target.ts";
import { equalJson } from "../util/json-path.ts";
import type { AgentWithTable } from "./agents.ts";
import { sectionDefaults } from "./defaults.ts";
import { errorAt, keyWithPlace } from "./diagnose.ts";
import { absolutePath } from "./paths.ts";

/** What an endpoint has once, whoever uses it. */
const SHARED = ["tls", "buildctl_path", "max_parallel", "queue_capacity", "cache"] as const;

const text = (value: Json | undefined): string | undefined => (typeof value === "string" ? value : undefined);

/** Name of the host that a backend's own section describes. */
export function placeOf(backend: string, options: JsonObject): string | undefined {
  return sectionDefaults(backend).places === true ? text(options["endpoint"]) : undefined;
}

function placed(agents: readonly AgentWithTable[]): (AgentWithTable & { readonly place: string })[] {
  return agents.flatMap((each) => {
    const { backend, options, mode } = each.agent.settings;
    const place = placeOf(backend, options);
    return place === undefined || mode === "off" ? [] : [{ ...each, place }];
  });
}

export function placesOf(
  agents: readonly AgentWithTable[],
  at: { readonly root: string; readonly home: string },
  declared: Readonly<Record<string, Host>>,
): Readonly<Record<string, Host>> {
  const path = (value: Json | undefined): string | undefined => {
    const written = text(value);
    return written === undefined ? undefined : absolutePath(written, at.root, at.home);
  };
  const hosts = placed(agents).map(({ agent, place }): [string, Host] => {
    const { backend, options } = agent.settings;
    const client = path(options["buildctl_path"]);
    const { tls } = options;
    const reach = {
      name: place,
      labels: {},
      [backend]: place,
      ...(client === undefined ? {} : { client }),
      ...behind(place, declared),
      ...(isTable(tls) ? { tls: tlsOf(tls, path) } : {}),
    };
    return [place, reach];
  });
  return Object.fromEntries(hosts);
}

/** The declared host of that name, else one of that address; the endpoint may name another user or port than a host's name does. */
function behind(place: string, hosts: Readonly<Record<string, Host>>): Pick<Host, "behind"> {
  if (!place.startsWith("ssh://") || !URL.canParse(place)) return {};
  const url = new URL(place);
  const to = {
    ...(url.username === "" ? {} : { user: decodeURIComponent(url.username) }),
    ...(url.port === "" ? {} : { port: Number(url.port) }),
  };
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const found = Object.values(hosts).flatMap(({ name, ssh }) => {
    if (ssh === undefined) return [];
    const known = parseTarget(ssh.target);
    const target = { ...known, ...to };
    const same = targetText(target) === targetText(known);
    if (name !== host && !(known.host === host && same)) return [];
    return [{ host: name, ssh: same ? ssh : { ...ssh, target: targetText(target) } }];
  });
  const way = found.find((each) => each.host === host) ?? found[0];
  return way === undefined ? {} : { behind: way };
}

function tlsOf(
  { ca, cert, key, server_name }: JsonObject,
  path: (value: Json | undefined) => string | undefined,
): NonNullable<Host["tls"]> {
  const [caFile, certFile, keyFile, name] = [path(ca), path(cert), path(key), text(server_name)];
  return {
    ...(caFile === undefined ? {} : { ca: caFile }),
    ...(certFile === undefined ? {} : { cert: certFile }),
    ...(keyFile === undefined ? {} : { key: keyFile }),
    ...(name === undefined ? {} : { server_name: name }),
  };
}

/** Two agents cannot mean one endpoint in two ways. */
export function checkPlaces(agents: readonly AgentWithTable[]): readonly Diagnostic[] {
  const first = new Map<string, AgentWithTable>();
  const found = new Map<string, Diagnostic>();
  for (const each of placed(agents)) {
    const { agent, place } = each;
    const { backend, options } = agent.settings;
    const host = agent.provenance("host");
    if (host.layer !== "built-in") {
      const message = `${keyWithPlace(host)} has no effect on agent ${agent.name}: ${backend}.endpoint says what it connects to`;
      const hint = `remove it, or give the other agents a host of their own`;
      const told = errorAt(host, { code: "unused-host", message, hint });
      found.set(`${told.code} ${told.path}`, { ...told, severity: "warning" });
    }
    const other = first.get(`${backend} ${place}`);
    if (other === undefined) first.set(`${backend} ${place}`, each);
    const theirs = other?.agent ?? agent;
    for (const key of SHARED) {
      if (equalJson(options[key] ?? null, theirs.settings.options[key] ?? null)) continue;
      const own = agent.provenance(`${backend}.${key}`);
      const message = `agents ${theirs.name} and ${agent.name} use ${place} with different ${backend}.${key}: ${keyWithPlace(theirs.provenance(`${backend}.${key}`))} and ${keyWithPlace(own)}`;
      const told = errorAt(own, {
        code: "endpoint-conflict",
        message,
        hint: `say ${key} once in [sandbox.${backend}]`,
      });
      found.set(`${told.code} ${told.path}`, told);
    }
  }
  return [...found.values()];
}
