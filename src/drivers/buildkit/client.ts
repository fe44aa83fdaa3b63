/** In: the environment. Out: the program that is handed the work, and its command lines. It runs none of them. */
import { constants } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { isAccessible } from "../../util/accessible.ts";
import { findProgram } from "../../util/program.ts";
import type { CacheBounds } from "../../model/cache.ts";
import { buildctl } from "./buildctl.ts";
import { buildx } from "./buildx.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface BuildJob {
  /** `unix://` address of the bridge. */
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
}

export interface ClientCall {
  readonly args: readonly string[];
  /** Over the environment; undefined takes a variable away. */
  readonly env: Env;
}

/** One way to tell a worker what to do. */
export interface BuildClient {
  readonly name: "buildctl" | "docker buildx";
  /** How a Dockerfile names the workspace that this client sends. */
  readonly workspace: string;
  /** Whether what is not to be sent can be said beside the user's own .dockerignore. */
  readonly hides: boolean;
  /** Needed once before `build` and `prune`. */
  prepare(at: Pick<BuildJob, "address" | "folder">): ClientCall | undefined;
  build(job: BuildJob): ClientCall;
  prune(at: Pick<BuildJob, "address" | "folder">, bounds: CacheBounds): readonly ClientCall[];
  /** The version in what `--version` says, and why it will not do. */
  version(said: string): { readonly version: string; readonly tooOld?: string } | undefined;
  readonly versionArgs: readonly string[];
}

export interface FoundClient {
  readonly client: BuildClient;
  /** Absolute path. */
  readonly program: string;
}

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
  if (onPath !== undefined) return { client: buildx, program: onPath };
  const config = env["DOCKER_CONFIG"] ?? join(env["HOME"] ?? homedir(), ".docker");
  for (const folder of [join(config, "cli-plugins"), ...PLUGIN_FOLDERS]) {
    const program = join(folder, "docker-buildx");
    if (await runnable(program)) return { client: buildx, program };
  }
  return undefined;
}
