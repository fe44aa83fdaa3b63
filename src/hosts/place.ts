/** In: a host of the config. Out: how a look at it gets there, and where its engines listen from there. Pure. */
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { Host, SshAccess } from "../model/settings.ts";
import { accessTo } from "../remote/target.ts";
import { parseTarget } from "../util/ssh-target.ts";

export type Place =
  | ({ readonly via: "local" } & Machine)
  /** Of the machine only its engines can be asked. */
  | { readonly via: "engine"; readonly target: string; readonly engines: Readonly<Record<string, string>> }
  | ({ readonly via: "ssh"; readonly ssh: SshAccess } & Machine);

interface Machine {
  /** Where they listen on that machine; empty for where they do by themselves. */
  readonly engines: Readonly<Record<string, string>>;
  /** Those that are reached on a way of their own. */
  readonly apart: Readonly<Record<string, string>>;
}

const ENGINES = ["docker", "podman"] as const;
const SSH_ENDPOINT = /^ssh:\/\/([^/]+)(\/.*)?$/;

/** Undefined for a host that nothing reaches. `root` is where programs of secrets start. */
export function placeOf(host: Host | undefined, root: string): Place | undefined {
  const engines: Record<string, string> = {};
  const alone: Record<string, string> = {};
  let behind: string | undefined;
  let here = host === undefined || host.name === THIS_HOST;
  for (const engine of ENGINES) {
    const endpoint = host?.[engine];
    if (endpoint === undefined) continue;
    const [, target, socket = ""] = SSH_ENDPOINT.exec(endpoint) ?? [];
    if (target !== undefined) {
      behind ??= target;
      engines[engine] = socket.length > 1 ? `unix://${decodeURIComponent(socket)}` : "";
    } else if (endpoint.startsWith("unix://")) {
      here = true;
      engines[engine] = endpoint;
    } else alone[engine] = endpoint;
  }
  // What listens somewhere else is not also what the machine has by itself.
  const byItself = host?.compose === "podman-compose" ? ENGINES : (["docker"] as const);
  for (const engine of byItself) if (alone[engine] === undefined) engines[engine] ??= "";
  const machine = { engines, apart: alone };
  if (host?.ssh !== undefined) return { via: "ssh", ssh: host.ssh, ...machine };
  if (behind !== undefined)
    return { via: "ssh", ssh: accessTo(parseTarget(behind), undefined, root), ...machine };
  if (here) return { via: "local", ...machine };
  const [[, target] = [], ...rest] = Object.entries(alone);
  return target === undefined
    ? undefined
    : { via: "engine", target: [target, ...rest.map(([, each]) => each)].join(" "), engines: alone };
}

/** Engines that only their own API can be asked of. */
export function enginesApart(place: Place): Readonly<Record<string, string>> {
  return place.via === "engine" ? place.engines : place.apart;
}

/** How it is reached, for people; null for this machine. */
export function targetOf(place: Place): string | null {
  if ("ssh" in place) return place.ssh.target;
  return "target" in place ? place.target : null;
}

export function unreachablePlace(host: string): SandkeepError {
  return new SandkeepError(`nothing says how host ${host} is reached`, {
    code: "HOST_NO_WAY",
    kind: "terminal",
    hint: `say it: hosts.${host}.ssh = { target = "user@host" }, or hosts.${host}.docker = "tcp://host:port"`,
  });
}
