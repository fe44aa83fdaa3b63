import type { BuildClient, BuildJob, ClientCall } from "./client.ts";
import { secretArgs } from "./dockerfile.ts";
import { seconds } from "./buildx.ts";

/** How a Dockerfile calls the workspace. */
const WORKSPACE = "ws";

/**
 * A worker takes a file that it was sent under the same name before, of equal path, size, time and mode, for the new one:
 * so the folders of each run go by names of the run's own, the workspace as a named context.
 */
function buildctlWith(progress: "rawjson" | "plain"): BuildClient {
  return {
    name: "buildctl",
    workspace: `--from=${WORKSPACE} .`,
    hides: false,
    prepare: () => undefined,
    build: (job) => ({ args: buildArgs(job, progress), env: UNSET }),
    prune: ({ address }, { max_age, max_size }) => {
      // Each bound by a call of its own: of one call with both only goes what is beyond the two.
      const call = (...bound: readonly string[]): ClientCall => ({
        args: ["--addr", address, "prune", "--all", ...bound],
        env: UNSET,
      });
      return [
        ...(max_age === undefined ? [] : [call("--keep-duration", seconds(max_age))]),
        // Megabytes, as this client counts; none would be no bound.
        ...(max_size === undefined
          ? []
          : [call("--keep-storage", String(Math.max(1, Math.floor(max_size / 1_000_000))))]),
      ];
    },
    versionArgs: ["--version"],
    version(said) {
      const [, version] = /\bv?(\d+\.\d+\.\d+\S*)/.exec(said) ?? [];
      return version === undefined ? undefined : { version };
    },
  };
}

export const buildctl = buildctlWith("rawjson");
/** For those that do not tell their progress as JSON. */
export const buildctlPlain = buildctlWith("plain");

const UNSET: ClientCall["env"] = { SOURCE_DATE_EPOCH: undefined, BUILDKIT_HOST: undefined };

function buildArgs(job: BuildJob, progress: string): string[] {
  const { address, folder, nonce, context, network } = job;
  const [work, file] = [`ws-${nonce}`, `dockerfile-${nonce}`];
  return [
    "--addr",
    address,
    "build",
    "--progress",
    progress,
    "--frontend",
    "dockerfile.v0",
    "--local",
    `${file}=${folder}`,
    "--opt",
    `dockerfilekey=${file}`,
    "--local",
    `${work}=${context}`,
    "--opt",
    `context:${WORKSPACE}=local:${work}`,
    ...(network === "none" ? ["--opt", "force-network-mode=none"] : []),
    ...secretArgs(job),
    "--output",
    "type=tar,dest=-",
  ];
}
