import { join } from "node:path";
import type { BuildClient, BuildJob, ClientCall } from "./client.ts";
import { SECRET_ID } from "./dockerfile.ts";

const BUILDER = "sandkeep";
/** Older ones do not tell their progress as JSON. */
const LEAST = [0, 13] as const;

/**
 * Its remote driver, which speaks to any worker. A config folder of the run's own holds the builder; it also gives the
 * session an id of its own, and the worker keeps what it was sent by that id: so no file of an earlier run, of this folder
 * or another's, can be taken for one of this run.
 */
export const buildx: BuildClient = {
  name: "docker buildx",
  workspace: ".",
  hides: true,
  prepare: ({ address, folder }) =>
    call(folder, ["create", "--name", BUILDER, "--driver", "remote", address]),
  build: (job) => call(job.folder, buildArgs(job)),
  prune: ({ folder }, { max_age, max_size }) => {
    const prune = ["prune", "--builder", BUILDER, "--force"];
    return [
      ...(max_age === undefined
        ? []
        : [call(folder, [...prune, "--all", "--filter", `until=${seconds(max_age)}`])]),
      ...(max_size === undefined
        ? []
        : [call(folder, [...prune, "--all", "--keep-storage", String(max_size)])]),
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

function buildArgs({ folder, context, network, secret }: BuildJob): string[] {
  return [
    "build",
    "--builder",
    BUILDER,
    "--progress",
    "rawjson",
    ...(network === "none" ? ["--network", "none"] : []),
    "--secret",
    `id=${SECRET_ID},env=${secret}`,
    "--file",
    join(folder, "Dockerfile"),
    "--output",
    "type=tar,dest=-",
    context,
  ];
}

function call(folder: string, args: readonly string[]): ClientCall {
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

export function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)}s`;
}
