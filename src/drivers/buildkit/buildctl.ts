import type { BuildClient, BuildJob, ClientCall } from "./client.ts";
import { SECRET_ID } from "./dockerfile.ts";
import { seconds } from "./buildx.ts";

/** How a Dockerfile calls the workspace. */
const WORKSPACE = "ws";

/**
 * A worker takes a file that it was sent under the same name before, of equal path, size, time and mode, for the new one:
 * so the folders of each run go by names of the run's own, the workspace as a named context.
 */
export const buildctl: BuildClient = {
  name: "buildctl",
  workspace: `--from=${WORKSPACE} .`,
  hides: false,
  prepare: () => undefined,
  build: (job) => ({ args: buildArgs(job), env: UNSET }),
  prune: ({ address }, { max_age, max_size }) => {
    if (max_age === undefined && max_size === undefined) return [];
    const bounds = [
      ...(max_age === undefined ? [] : ["--keep-duration", seconds(max_age)]),
      // Megabytes, as this client counts.
      ...(max_size === undefined ? [] : ["--keep-storage", String(Math.floor(max_size / 1_000_000))]),
    ];
    return [{ args: ["--addr", address, "prune", "--all", ...bounds], env: UNSET }];
  },
  versionArgs: ["--version"],
  version(said) {
    const [, version] = /\bv?(\d+\.\d+\.\d+\S*)/.exec(said) ?? [];
    return version === undefined ? undefined : { version };
  },
};

const UNSET: ClientCall["env"] = { SOURCE_DATE_EPOCH: undefined, BUILDKIT_HOST: undefined };

function buildArgs({ address, folder, nonce, context, network, secret }: BuildJob): string[] {
  const [work, file] = [`ws-${nonce}`, `dockerfile-${nonce}`];
  return [
    "--addr",
    address,
    "build",
    "--progress",
    "rawjson",
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
    "--secret",
    `id=${SECRET_ID},env=${secret}`,
    "--output",
    "type=tar,dest=-",
  ];
}
