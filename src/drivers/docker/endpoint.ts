import { createHash } from "node:crypto";
import { join } from "node:path";
import * as z from "zod";
import { SandkeepError } from "../../errors.ts";
import type { Host, SshAccess } from "../../model/settings.ts";
import type { Target } from "../../util/ssh-target.ts";
import { configFolder, readJson } from "../../registry/docker-config.ts";
import { accessTo } from "../../remote/target.ts";
import { isAccessible } from "../../util/accessible.ts";
import { readPems } from "../../util/pem-files.ts";
import { findProgram } from "../../util/program.ts";

/** PEM texts for a mutually authenticated connection. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly server_name?: string;
  readonly verify: boolean;
}

type Near =
  | { readonly kind: "unix"; readonly socket: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls?: TlsMaterial };

/** A socket of the machine that an `ssh://` names. */
type Named = { readonly kind: "ssh"; readonly to: Target; readonly socket: string };

export type Endpoint =
  | Near
  /** A socket of another machine; `name` is the host's in the config. */
  | { readonly kind: "ssh"; readonly name: string; readonly access: SshAccess; readonly socket: string };

/** Engines that speak this API: the backend, its config section, its key in a host's table, and its command line. */
export type EngineName = "docker" | "podman";

/** Where an engine of the whole machine listens. */
const SYSTEM_SOCKET: Readonly<Record<EngineName, string>> = {
  docker: "/var/run/docker.sock",
  podman: "/run/podman/podman.sock",
};
const TLS_PORT = 2376;
const PLAIN_PORT = 2375;
/** Nothing that ssh could read as an option, and nothing that a shell on the way could read as more than a word. */
const SSH_WORD = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

type Env = Readonly<Record<string, string | undefined>>;

/** An endpoint URL, without its certificates; undefined when it is not one we understand. */
export function parseEndpoint(text: string, engine: EngineName = "docker"): Near | Named | undefined {
  if (text.startsWith("unix://")) {
    const socket = text.slice("unix://".length);
    return socket.startsWith("/") ? { kind: "unix", socket } : undefined;
  }
  if (!/^(?:tcp|ssh|https?):\/\//.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.hostname === "" || url.password !== "") return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (url.protocol !== "ssh:") {
    return { kind: "tcp", host, port: url.port === "" ? PLAIN_PORT : Number(url.port) };
  }
  const user = decodeURIComponent(url.username);
  if (!SSH_WORD.test(host) || (user !== "" && !SSH_WORD.test(user))) return undefined;
  const socket = url.pathname.length > 1 ? decodeURIComponent(url.pathname) : SYSTEM_SOCKET[engine];
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

/** True when the engine may see other files than this machine does. */
export function isRemote(host: Host | undefined, engine: EngineName = "docker"): boolean {
  const written = host?.[engine];
  if (written === undefined) return false;
  return host?.ssh !== undefined || parseEndpoint(written, engine)?.kind !== "unix";
}

/**
 * Where the engine is: the host's own URL, else where the engine's own command line would look.
 * Throws a terminal error for an endpoint or a certificate that cannot be read.
 */
export async function resolveEndpoint(
  host: Host | undefined,
  env: Env,
  engine: EngineName = "docker",
): Promise<Endpoint> {
  const written = host?.[engine];
  if (host === undefined || written === undefined) return USUAL[engine](env);
  const named = understood(written, `hosts.${host.name}.${engine}`, engine);
  // On a host that is reached over SSH a socket is one of that machine.
  if (named.kind === "unix" && host.ssh !== undefined)
    return { kind: "ssh", name: host.name, access: host.ssh, socket: named.socket };
  return withTls(through(named, host), await hostTls(host));
}

function through(named: Near | Named, host?: Host): Endpoint {
  if (named.kind !== "ssh") return named;
  const { to, socket } = named;
  return { kind: "ssh", name: host?.name ?? to.host, access: accessTo(to, host?.ssh, "/"), socket };
}

const USUAL: Readonly<Record<EngineName, (env: Env) => Promise<Endpoint>>> = {
  docker: dockerEndpoint,
  podman: podmanEndpoint,
};

/** Which variable names the engine for its own command line. */
const VARIABLE: Readonly<Record<EngineName, string>> = { docker: "DOCKER_HOST", podman: "CONTAINER_HOST" };

/** Sockets of this machine that a host, or without one the environment, names; what a docker context names is not looked up. */
export function ownSockets(engine: EngineName, host: Host | undefined, env: Env): string[] {
  if (host?.ssh !== undefined) return [];
  const written = host === undefined ? env[VARIABLE[engine]] : host[engine];
  const endpoint = written === undefined ? undefined : parseEndpoint(written, engine);
  return endpoint?.kind === "unix" ? [endpoint.socket] : [];
}

/** False when nothing on this machine speaks of the engine: no setting, no socket, no program. */
export async function isInstalled(engine: EngineName, env: Env): Promise<boolean> {
  const usual = await USUAL[engine](env).catch(() => undefined);
  if (usual?.kind !== "unix" || usual.socket !== SYSTEM_SOCKET[engine]) return true;
  return (await isAccessible(usual.socket)) || (await findProgram(engine, env)) !== undefined;
}

/** `DOCKER_HOST`, else the current docker context, else the usual socket. */
async function dockerEndpoint(env: Env): Promise<Endpoint> {
  const fromEnv = env[VARIABLE.docker];
  if (fromEnv !== undefined && fromEnv !== "") {
    return withTls(through(understood(fromEnv, VARIABLE.docker, "docker")), await envTls(env));
  }
  return (await contextEndpoint(env)) ?? { kind: "unix", socket: SYSTEM_SOCKET.docker };
}

/** `CONTAINER_HOST`, else the user's own engine where there is one, else that of the machine. */
async function podmanEndpoint(env: Env): Promise<Endpoint> {
  const fromEnv = env[VARIABLE.podman];
  if (fromEnv !== undefined && fromEnv !== "") return through(understood(fromEnv, VARIABLE.podman, "podman"));
  const folder = env["XDG_RUNTIME_DIR"];
  const own = folder === undefined || folder === "" ? undefined : join(folder, "podman", "podman.sock");
  const socket = own !== undefined && (await isAccessible(own)) ? own : SYSTEM_SOCKET.podman;
  return { kind: "unix", socket };
}

function understood(text: string, where: string, engine: EngineName): Near | Named {
  const endpoint = parseEndpoint(text, engine);
  if (endpoint !== undefined) return endpoint;
  throw new SandkeepError(`${where} is not a ${engine} endpoint that sandkeep understands`, {
    code: "DOCKER_ENDPOINT_INVALID",
    hint: 'use "unix:///path", "tcp://host:port" or "ssh://user@host"',
  });
}

function withTls(endpoint: Endpoint, tls: TlsMaterial | undefined): Endpoint {
  if (endpoint.kind !== "tcp" || tls === undefined) return endpoint;
  return { ...endpoint, port: endpoint.port === PLAIN_PORT ? TLS_PORT : endpoint.port, tls };
}

async function hostTls(host: Host): Promise<TlsMaterial | undefined> {
  if (host.tls === undefined) return undefined;
  const { ca, cert, key, server_name } = host.tls;
  const files = await readPems({ ca, cert, key });
  return { ...files, ...(server_name === undefined ? {} : { server_name }), verify: true };
}

async function envTls(env: Env): Promise<TlsMaterial | undefined> {
  const verify = env["DOCKER_TLS_VERIFY"];
  if (verify === undefined || verify === "") return undefined;
  const folder = env["DOCKER_CERT_PATH"] ?? configFolder(env);
  return { ...(await readPems(pemsIn(folder))), verify: true };
}

const pemsIn = (folder: string) => ({
  ca: join(folder, "ca.pem"),
  cert: join(folder, "cert.pem"),
  key: join(folder, "key.pem"),
});

const configSchema = z.object({ currentContext: z.string().optional() });
const metaSchema = z.object({
  Endpoints: z.object({
    docker: z.object({ Host: z.string().optional(), SkipTLSVerify: z.boolean().optional() }),
  }),
});

async function contextEndpoint(env: Env): Promise<Endpoint | undefined> {
  const folder = configFolder(env);
  const chosen = env["DOCKER_CONTEXT"];
  const name = chosen !== undefined && chosen !== "" ? chosen : await currentContext(folder);
  if (name === undefined || name === "" || name === "default") return undefined;
  const id = createHash("sha256").update(name).digest("hex");
  const meta = metaSchema.safeParse(await readJson(join(folder, "contexts", "meta", id, "meta.json")));
  const url = meta.success ? meta.data.Endpoints.docker.Host : undefined;
  if (!meta.success || url === undefined) {
    throw new SandkeepError(`docker context "${name}" does not exist or has no docker endpoint`, {
      code: "DOCKER_CONTEXT_UNKNOWN",
      hint: "see `docker context ls`, or name the engine in a [hosts.<name>] table",
    });
  }
  const endpoint = through(understood(url, `docker context "${name}"`, "docker"));
  return withTls(endpoint, await contextTls(join(folder, "contexts", "tls", id, "docker"), meta.data));
}

async function contextTls(
  folder: string,
  meta: z.infer<typeof metaSchema>,
): Promise<TlsMaterial | undefined> {
  const verify = meta.Endpoints.docker.SkipTLSVerify !== true;
  try {
    return { ...(await readPems(pemsIn(folder))), verify };
  } catch {
    // A context without a TLS folder is a plain one.
    return undefined;
  }
}

async function currentContext(folder: string): Promise<string | undefined> {
  const config = configSchema.safeParse(await readJson(join(folder, "config.json")));
  return config.success ? config.data.currentContext : undefined;
}
