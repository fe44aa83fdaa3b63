/**
 * In: the environment. Out: the program that is handed the work, and its command lines. Of a
 * program only the version is asked; nothing is built.
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { SandkeepError } from "../../errors.ts";
import { configFolder } from "../../registry/docker-config.ts";
import { isAccessible } from "../../util/accessible.ts";
import { findProgram } from "../../util/program.ts";
import type { CacheBounds } from "../../model/cache.ts";
import { buildctl, buildctlPlain } from "./buildctl.ts";
import { buildxDocker, buildxRemote } from "./buildx.ts";
import { Bridge } from "./bridge.ts";
import type { Dialer } from "./dial.ts";
import { engineApi } from "./engine.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface BuildJob {
  /** `unix://` address of a bridge to the worker, or to the engine that it is in. */
  readonly address: string;
  /** Private folder that holds the Dockerfile; a client may keep its own files there, too. */
  readonly folder: string;
  /** Unique to this run. */
  readonly nonce: string;
  /** Folder that is sent. */
  readonly context: string;
  readonly network: "none" | "default";
  /** Variable of the client's environment that holds the command. */
  readonly secret: string;
  /** Files in the folder, which a client is started in, that hold the command's input in their order. */
  readonly input: readonly string[];
}

/** Where a client works, and with what. */
export type ClientPlace = Pick<BuildJob, "address" | "folder">;

export interface ClientCall {
  readonly args: readonly string[];
  /** Over the environment; undefined takes a variable away. */
  readonly env: Env;
}

/** One way to tell a worker what to do. */
export interface BuildClient {
  readonly name: "buildctl" | "docker buildx";
  /** Of docker buildx, which has several; `docker` is given the address of an engine, and all else that of a worker. */
  readonly driver?: "remote" | "docker";
  /** How a Dockerfile names the workspace that this client sends. */
  readonly workspace: string;
  /** Whether what is not to be sent can be said beside the user's own .dockerignore. */
  readonly hides: boolean;
  /** Needed once before `build` and `prune`. */
  prepare(at: ClientPlace): ClientCall | undefined;
  build(job: BuildJob): ClientCall;
  prune(at: ClientPlace, bounds: CacheBounds): readonly ClientCall[];
  /** The version in what `--version` says, and why it will not do. */
  version(said: string): { readonly version: string; readonly tooOld?: string } | undefined;
  readonly versionArgs: readonly string[];
}

export interface FoundClient {
  readonly client: BuildClient;
  /** Absolute path. */
  readonly program: string;
}

const VERSION_TIMEOUT_MS = 10_000;

/** Where Docker's own programs look for their plugins, besides the user's folder. */
const PLUGIN_FOLDERS = [
  "/usr/local/lib/docker/cli-plugins",
  "/usr/local/libexec/docker/cli-plugins",
  "/usr/lib/docker/cli-plugins",
  "/usr/libexec/docker/cli-plugins",
] as const;

function runnable(program: string): Promise<boolean> {
  return isAccessible(program, constants.X_OK);
}

/** The first there is: the one that is named, buildctl, docker buildx. A named one that is not there is not replaced. */
export async function findClient(env: Env, named: string | undefined): Promise<FoundClient | undefined> {
  if (named !== undefined) {
    return (await runnable(named)) ? { client: buildctl, program: named } : undefined;
  }
  const own = await findProgram("buildctl", env);
  if (own !== undefined) return { client: buildctl, program: own };
  const onPath = await findProgram("docker-buildx", env);
  if (onPath !== undefined) return { client: buildxRemote, program: onPath };
  for (const folder of [join(configFolder(env), "cli-plugins"), ...PLUGIN_FOLDERS]) {
    const program = join(folder, "docker-buildx");
    if (await runnable(program)) return { client: buildxRemote, program };
  }
  return undefined;
}

export async function versionOf({ client, program }: FoundClient, env: Env) {
  const said = await promisify(execFile)(program, [...client.versionArgs], {
    env: { ...env },
    timeout: VERSION_TIMEOUT_MS,
  }).catch(() => ({ stdout: "" }));
  return client.version(said.stdout);
}

/** Docker's clients refuse an older engine one after the other; the remote driver asks nothing of its API. */
const LEAST_API = [1, 44] as const;
/** That of the first engine whose BuildKit knows named contexts. */
const CONTEXTS_API = [1, 42] as const;
/** Older ones of buildctl tell their progress as lines. */
const JSON_PROGRESS = [0, 13] as const;

type Release = readonly [number, number];

function isAtLeast([major, minor]: Release, [leastMajor, leastMinor]: Release): boolean {
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

/** As found, in the form that fits its version and the worker's. Throws where none does. */
export async function fitted(found: FoundClient, dialer: Dialer, env: Env): Promise<FoundClient> {
  const api = dialer.inEngine ? await engineApi(dialer) : undefined;
  if (found.client === buildxRemote) {
    return api !== undefined && isAtLeast(api, LEAST_API) ? { ...found, client: buildxDocker } : found;
  }
  if (api !== undefined && !isAtLeast(api, CONTEXTS_API)) throw noContexts();
  const [, major = "0", minor = "0"] =
    /^(\d+)\.(\d+)/.exec((await versionOf(found, env))?.version ?? "") ?? [];
  const tells = isAtLeast([Number(major), Number(minor)], JSON_PROGRESS);
  return tells ? found : { ...found, client: buildctlPlain };
}

/** Without them nothing keeps a worker from taking another workspace's file for this one's. */
function noContexts(): SandkeepError {
  return new SandkeepError("the engine's BuildKit is too old for buildctl: it knows no named contexts", {
    code: "BUILDKIT_NO_CONTEXTS",
    blame: "backend",
    hint: "use docker buildx, which needs none, or a Docker Engine 23 or newer",
  });
}

/** What the client is given as its address. */
export function bridgeFor({ client }: FoundClient, dialer: Dialer): Promise<Bridge> {
  return Bridge.open(client.driver === "docker" ? () => dialer.engine() : () => dialer.dial());
}
