import { SandkeepError } from "../../errors.ts";
import type { Host, SshAccess } from "../../model/settings.ts";
import type { Target } from "../../util/ssh-target.ts";
import { accessTo } from "../../remote/target.ts";
import { readPems } from "../../util/pem-files.ts";

/** PEM texts of a mutually authenticated connection. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly server_name?: string;
}

type Unix = { readonly kind: "unix"; readonly socket: string };
type Tcp = { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls?: TlsMaterial };

/** A socket of the machine that it names. */
type Named = { readonly kind: "ssh"; readonly to: Target; readonly socket: string };

/** The same with the way to it; `name` is the host's in the config. */
export type Ssh = Pick<Named, "kind" | "socket"> & { readonly name: string; readonly access: SshAccess };

type InEngine = { readonly kind: "docker"; readonly engine: Unix | Tcp };

export type Endpoint =
  | Unix
  | Tcp
  /** The BuildKit inside a Docker Engine, behind an upgrade of one of its HTTP connections. */
  | InEngine
  | Ssh;

const DOCKER_SOCKET = "/var/run/docker.sock";
const BUILDKIT_SOCKET = "/run/buildkit/buildkitd.sock";
/** Nothing that ssh could read as an option, and nothing that a shell on the way could read as more than a word. */
const SSH_WORD = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/** Without its certificates; undefined when it is not one we understand. */
export function parseEndpoint(text: string): Unix | Tcp | InEngine | Named | undefined {
  const [, scheme = "", rest = ""] = /^([a-z]+):\/\/(.*)$/.exec(text) ?? [];
  switch (scheme) {
    case "unix":
      return unixAt(rest);
    case "tcp":
      return tcpAt(rest);
    case "docker": {
      const engine = unixAt(rest === "" ? DOCKER_SOCKET : rest) ?? tcpAt(rest);
      return engine === undefined ? undefined : { kind: "docker", engine };
    }
    case "ssh":
      return sshAt(text);
    default:
      return undefined;
  }
}

function unixAt(path: string): Unix | undefined {
  return path.startsWith("/") ? { kind: "unix", socket: path } : undefined;
}

function tcpAt(rest: string): Tcp | undefined {
  const text = `http://${rest}`;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  // A URL leaves out the port that is usual for its scheme.
  const port = /:80\/?$/.test(rest) ? 80 : Number(url.port);
  if (url.username !== "" || url.password !== "" || url.pathname !== "/" || port === 0) return undefined;
  return { kind: "tcp", host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port };
}

function sshAt(text: string): Named | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const user = decodeURIComponent(url.username);
  const host = url.hostname;
  if (url.password !== "" || !SSH_WORD.test(host) || (user !== "" && !SSH_WORD.test(user))) return undefined;
  const socket = url.pathname.length > 1 ? decodeURIComponent(url.pathname) : BUILDKIT_SOCKET;
  if (socket.includes(":")) return undefined;
  return {
    kind: "ssh",
    to: {
      ...(user === "" ? {} : { user }),
      host,
      ...(url.port === "" ? {} : { port: Number(url.port) }),
    },
    socket,
  };
}

/** With the certificates read. Throws a terminal error for what is not there or cannot be understood. */
export async function resolveEndpoint(host: Host | undefined): Promise<Endpoint> {
  const text = host?.buildkit;
  const named = text === undefined ? undefined : parseEndpoint(text);
  if (named === undefined) {
    throw new SandkeepError(`${text ?? "nothing"} is no BuildKit endpoint that sandkeep understands`, {
      code: "BUILDKIT_ENDPOINT_INVALID",
      hint: 'use "tcp://host:port", "unix:///path", "docker://" or "ssh://user@host"',
    });
  }
  const { tls } = host ?? {};
  const endpoint = named.kind === "ssh" ? through(named, host) : named;
  if (tls === undefined) return endpoint;
  const material = {
    ...(await readPems(tls)),
    ...(tls.server_name === undefined ? {} : { server_name: tls.server_name }),
  };
  if (endpoint.kind === "tcp") return { ...endpoint, tls: material };
  return endpoint.kind === "docker" && endpoint.engine.kind === "tcp"
    ? { kind: "docker", engine: { ...endpoint.engine, tls: material } }
    : endpoint;
}

/** By what the config says of the machine, else by the user's own keys and known hosts. */
function through({ to, socket }: Named, host: Host | undefined): Ssh {
  const { host: name, ssh } = host?.behind ?? { host: to.host, ssh: accessTo(to, undefined, "/") };
  return { kind: "ssh", name, access: ssh, socket };
}
