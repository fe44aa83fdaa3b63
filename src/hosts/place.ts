/** In: a host of the config. Out: how a look at it gets there, and where its engines listen from there. Pure. */
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { Host, SshAccess } from "../model/settings.ts";
import { accessTo } from "../remote/target.ts";
import { parseTarget } from "../util/ssh-target.ts";

export type Place =
  | { readonly via: "local"; readonly engines: Readonly<Record<string, string>> }
  /** Of the machine only its engines can be asked. */
  | { readonly via: "engine"; readonly target: string; readonly engines: Readonly<Record<string, string>> }
  | { readonly via: "ssh"; readonly ssh: SshAccess; readonly engines: Readonly<Record<string, string>> };

const ENGINES = ["docker", "podman"] as const;
const SSH_ENDPOINT = /^ssh:\/\/([^/]+)(\/.*)?$/;

/** Undefined for a host that nothing reaches. `root` is where programs of secrets start. */
export function placeOf(host: Host | undefined, root: string): Place | undefined {
  const engines: Record<string, string> = { docker: "" };
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
  if (host?.compose === "podman-compose") engines["podman"] ??= "";
  if (host?.ssh !== undefined) return { via: "ssh", ssh: host.ssh, engines };
  if (behind !== undefined)
    return { via: "ssh", ssh: accessTo(parseTarget(behind), undefined, root), engines };
  if (here) return { via: "local", engines };
  const [[, target] = [], ...rest] = Object.entries(alone);
  return target === undefined
    ? undefined
    : { via: "engine", target: [target, ...rest.map(([, each]) => each)].join(" "), engines: alone };
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
