/**
 * Podman as a dialect of the Docker API: what its compatible socket cannot do, does in another way, or shows in other
 * words. Data and pure functions; reading an answer is in `podman-inspect.ts`.
 */
import type { FieldRow } from "../../model/fields.ts";
import { recreateField } from "../../model/fields.ts";
import type { Json, JsonObject } from "../../model/json.ts";
import { isTable } from "../../model/json.ts";
import type { Dialect, WriteContext } from "./dialect.ts";
import { dockerFields } from "./fields.ts";
import { asDocker, tmpfsSent } from "./podman-inspect.ts";
import type { Rule } from "./requirements.ts";
import { inSection } from "./section.ts";

const UNCHANGEABLE = "Podman cannot change it on a container for good: an update ends with the next start";

/** Live with Docker. What `podman update` sets is lost with the next start, and its inspect never shows it. */
const FIXED: ReadonlySet<string> = new Set([
  "docker.memory",
  "docker.memory_swap",
  "docker.cpus",
  "docker.pids",
  "docker.restart",
]);

const fields: readonly FieldRow[] = dockerFields.map((row) => {
  const path = inSection(row.path, "podman");
  const implied = row.implied === undefined ? {} : { implied: row.implied };
  return FIXED.has(row.path) ? recreateField(path, UNCHANGEABLE, implied) : { ...row, path };
});

/** What Podman would leave out without a word is refused before anything is made. */
const rules: readonly Rule[] = [
  {
    code: "gpus-unsupported",
    path: "docker.gpus",
    check: ({ section }) =>
      section.gpus === undefined ? undefined : "Podman's API ignores a request for GPUs",
    hint: 'remove this key, or use backend = "docker"',
  },
  {
    code: "swap-unlimited-unsupported",
    path: "docker.memory_swap",
    check: ({ section }) =>
      section.memory_swap === "unlimited"
        ? "Podman's API reads unlimited swap as twice the memory"
        : undefined,
    hint: 'set a size, such as "8GiB"',
  },
  {
    code: "seccomp-profile-unsupported",
    path: "docker.seccomp",
    check: ({ section: { seccomp } }) =>
      seccomp === undefined || seccomp === "default" || seccomp === "unconfined"
        ? undefined
        : "Podman's API takes no profile's text, only a path on the engine's own machine",
    hint: "set seccomp_profile in the engine's containers.conf, and remove this key",
  },
];

const ROOT = /^(?:0|root)(?::|$)/;

function write(body: JsonObject, { spec, info }: WriteContext): JsonObject {
  const host = tableIn(body["HostConfig"]);
  const user = body["User"];
  // Without it the ids of a rootless container are subordinate ones, which own nothing in a folder of this machine.
  const keepsIds =
    info.Rootless && spec.workspace.provider === "bind" && typeof user === "string" && !ROOT.test(user);
  return {
    ...body,
    HostConfig: {
      ...host,
      Tmpfs: Object.fromEntries(
        Object.entries(tableIn(host["Tmpfs"])).map(([path, options]) => [
          path,
          tmpfsSent(typeof options === "string" ? options : ""),
        ]),
      ),
      ...(keepsIds ? { UsernsMode: "keep-id" } : {}),
    },
  };
}

function tableIn(value: Json | undefined): JsonObject {
  return isTable(value) ? value : {};
}

export const podman: Dialect = {
  name: "podman",
  fields,
  rules,
  degraded: [
    {
      code: "rootless-user-mapping",
      test: ({ Rootless }) => Rootless,
      message:
        "a rootless engine maps users: root in a sandbox is this engine's user outside, and other ids are subordinate ones",
      fix: "leave podman.user unset, so that commands run as the workspace's owner, or use a rootful engine",
    },
    {
      code: "rootless-ulimits-ignored",
      test: ({ Rootless }) => Rootless,
      message: "the API of a rootless Podman leaves podman.ulimits out",
      fix: "set default_ulimits in the engine's containers.conf, or use a rootful engine",
    },
  ],
  makesSources: true,
  labelsVolumes: false,
  // A rootless service looks its user's ids up in a library that is not made for threads, and two at once may end it.
  createsAtOnce: 1,
  // By itself it stops first, for as long as the container's own program may take.
  removal: { timeout: 0 },
  // By itself it answers the line of its own `ps` in one piece, or that of the image's.
  processes: { ps_args: "args" },
  // In its database, where it outlives even the container, and beside the container's own files.
  keepsEnvironments: true,
  networks: false,
  // Its list names folders it made itself, and its archive of a volume is not whole.
  changes: false,
  // The id that Podman's socket tells is made up anew for each answer.
  engineId: ({ Name, DockerRootDir }) => `podman:${Name}:${DockerRootDir}`,
  write,
  read: asDocker,
};
