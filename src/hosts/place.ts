/** In: a host of the config. Out: how a look at it gets there, and where its engines listen from there. Pure. */
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { Host, SshAccess } from "../model/settings.ts";
import { accessTo, parseTarget } from "../remote/target.ts";

export type Place =
  | { readonly via: "local"; readonly engines: Readonly<Record<string, string>> }
  | { readonly via: "ssh"; readonly ssh: SshAccess; readonly engines: Readonly<Record<string, string>> };

const ENGINES = ["docker", "podman"] as const;
const SSH_ENDPOINT = /^ssh:\/\/([^/]+)(\/.*)?$/;

/** Undefined for a host whose engine alone can be reached. `root` is where programs of secrets start. */
export function placeOf(host: Host | undefined, root: string): Place | undefined {
  const engines: Record<string, string> = { docker: "" };
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
    }
  }
  if (host?.compose === "podman-compose") engines["podman"] ??= "";
  if (host?.ssh !== undefined) return { via: "ssh", ssh: host.ssh, engines };
  if (behind !== undefined)
    return { via: "ssh", ssh: accessTo(parseTarget(behind), undefined, root), engines };
  return here ? { via: "local", engines } : undefined;
}

export function unreachablePlace(host: string): SandkeepError {
  return new SandkeepError(
    `of host ${host} only the engine can be reached, which does not tell how the machine is`,
    {
      code: "HOST_NO_WAY",
      kind: "terminal",
      hint: `say how the machine is reached: hosts.${host}.ssh = { target = "user@host" }`,
    },
  );
}
