import { join } from "node:path";
import type { BuildClient, BuildJob, ClientCall, ClientPlace } from "./client.ts";
import { secretArgs } from "./dockerfile.ts";

const BUILDER = "sandkeep";
/** Older ones do not tell their progress as JSON. */
const LEAST = [0, 13] as const;

/**
 * A config folder of the run's own holds the builder; it also gives the session an id of its own, and the worker keeps what
 * it was sent by that id: so no file of an earlier run, of this folder or another's, can be taken for one of this run.
 */
function buildxWith(driver: "remote" | "docker"): BuildClient {
  const builder = driver === "remote" ? BUILDER : "default";
  const call = driver === "remote" ? remoteCall : dockerCall;
  return {
    name: "docker buildx",
    driver,
    workspace: ".",
    hides: true,
    prepare: (at) =>
      driver === "remote"
        ? call(at, ["create", "--name", builder, "--driver", "remote", at.address])
        : undefined,
    build: (job) => call(job, buildArgs(job, builder)),
    prune: (at, { max_age, max_size }) => {
      const prune = ["prune", "--builder", builder, "--force"];
      return [
        ...(max_age === undefined
          ? []
          : [call(at, [...prune, "--all", "--filter", `until=${seconds(max_age)}`])]),
        ...(max_size === undefined
          ? []
          : [call(at, [...prune, "--all", "--keep-storage", String(max_size)])]),
      ];
    },
    versionArgs: ["version"],
    version(said) {
      const [version, major = "", minor = ""] = /\bv?(\d+)\.(\d+)\.\d+\S*/.exec(said) ?? [];
      if (version === undefined) return undefined;
      const old = Number(major) === LEAST[0] && Number(minor) < LEAST[1];
      return { version: version.replace(/^v/, ""), ...(old ? { tooOld: LEAST.join(".") } : {}) };
    },
  };
}

/** Speaks to any worker. */
export const buildxRemote = buildxWith("remote");
/** Asks a Docker Engine for the one inside it, by the engine's own API. */
export const buildxDocker = buildxWith("docker");

function buildArgs(job: BuildJob, builder: string): string[] {
  const { folder, context, network } = job;
  return [
    "build",
    "--builder",
    builder,
    "--progress",
    "rawjson",
    ...(network === "none" ? ["--network", "none"] : []),
    ...secretArgs(job),
    "--file",
    join(folder, "Dockerfile"),
    "--output",
    "type=tar,dest=-",
    context,
  ];
}

function remoteCall({ folder }: ClientPlace, args: readonly string[]): ClientCall {
  return {
    args,
    env: {
      BUILDX_CONFIG: join(folder, "buildx"),
      BUILDX_NO_DEFAULT_ATTESTATIONS: "1",
      BUILDX_METADATA_PROVENANCE: "disabled",
      // It would be taken for the time of every file that comes back.
      SOURCE_DATE_EPOCH: undefined,
      BUILDX_BUILDER: undefined,
    },
  };
}

/** The engine is named by its address alone, whatever the caller's own Docker is told. */
function dockerCall(at: ClientPlace, args: readonly string[]): ClientCall {
  const { env } = remoteCall(at, args);
  const others = [
    "DOCKER_CONTEXT",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_API_VERSION",
  ];
  const unset = Object.fromEntries(others.map((name) => [name, undefined]));
  return { args, env: { ...env, ...unset, DOCKER_HOST: at.address } };
}

export function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)}s`;
}
