import type { FieldClass, FieldRow } from "../../model/fields.ts";
import { copiedWorkspaceFields, ignoredField, liveField, recreateField } from "../../model/fields.ts";
import type { Json } from "../../model/json.ts";
import { impliedSwap } from "./limits.ts";

/** The engine reads zero in an update as "leave as it is", so a limit can be set and changed, never taken away. */
function limit(before: Json | undefined, after: Json | undefined): FieldClass {
  return isAbsent(after) && !isAbsent(before) ? "recreate" : "live";
}

/**
 * Only a number set as NanoCpus can follow another one. Any other way of limiting CPU is observed as a text, since the
 * engine refuses to switch or, worse, keeps the old quota behind the new number.
 */
function cpuStyle(before: Json | undefined, after: Json | undefined): FieldClass {
  return typeof after === "number" && (isAbsent(before) || typeof before === "number") ? "live" : "recreate";
}

function isAbsent(value: Json | undefined): boolean {
  return value === undefined || value === null;
}

/** After a restart by somebody else the main program waits, with none of them. */
function handedOver(before: Json | undefined): FieldClass {
  return Array.isArray(before) && before.length === 0 ? "live" : "recreate";
}

const recreated = (): FieldClass => "recreate";

const FIXED = "fixed when the container is created";

/** One row for every path of a docker spec, and three for what no spec says. */
export const dockerFields: readonly FieldRow[] = [
  recreateField("workspace.source", `mounts are ${FIXED}`),
  recreateField("workspace.access", `mounts are ${FIXED}`),
  recreateField("workspace.target", `mounts are ${FIXED}`),
  recreateField("workspace.provider", `mounts are ${FIXED}`),
  ...copiedWorkspaceFields,
  recreateField("writes", "the workspace is another folder with staged writes", {
    introduced_default: "direct",
  }),
  recreateField("env", `the environment is ${FIXED}`),
  ignoredField("secrets", "handed to each command when it runs, never to the container"),
  recreateField("setup", "what setup did can only be undone by starting over"),
  ignoredField(
    "ready",
    "asked while the runtime comes up; the image's own health check comes or goes with the next one",
  ),
  {
    path: "docker.image",
    hashed: false,
    classify: recreated,
    why: "a container keeps the image it was made from; images are compared by their digest",
  },
  ignoredField("docker.image_policy", "says when to fetch, not what runs"),
  recreateField("docker.command", `the main program is ${FIXED}`),
  {
    path: "docker.command_secrets",
    hashed: false,
    classify: handedOver,
    why: "the main program begins with its secrets; one that waits for them can be given them",
  },
  recreateField("docker.user", `the user is ${FIXED}`),
  recreateField("docker.workdir", `the working directory is ${FIXED}`),
  recreateField("docker.binds", `mounts are ${FIXED}`),
  recreateField("docker.network", "a container is made for one network"),
  recreateField("docker.egress", "where names and requests go is fixed when the container is created"),
  {
    path: "docker.memory",
    hashed: false,
    classify: limit,
    why: "the engine can change a memory limit in place but not remove it",
  },
  {
    path: "docker.memory_swap",
    hashed: false,
    classify: limit,
    why: "changed in place together with the memory limit",
    implied: ({ memory }) => (typeof memory === "number" ? impliedSwap(memory) : undefined),
  },
  {
    path: "docker.cpus",
    hashed: false,
    classify: cpuStyle,
    why: "the engine can change a CPU limit in place but neither remove it nor change its style",
  },
  liveField("docker.pids", "the engine changes it in place"),
  recreateField("docker.ulimits", `the engine ignores updates: they are ${FIXED}`),
  recreateField("docker.tmpfs", `mounts are ${FIXED}`),
  recreateField("docker.read_only_root", FIXED),
  recreateField("docker.cap_drop", `capabilities are ${FIXED}`),
  recreateField("docker.seccomp", `security options are ${FIXED}`),
  recreateField("docker.apparmor", `security options are ${FIXED}`),
  recreateField("docker.dns", FIXED),
  recreateField("docker.extra_hosts", FIXED),
  recreateField("docker.gpus", `devices are ${FIXED}`),
  recreateField("docker.init", FIXED),
  recreateField("docker.no_new_privileges", `security options are ${FIXED}`),
  liveField("docker.restart", "the engine changes it in place"),
  recreateField("docker.labels", "labels cannot change on a container"),
  ignoredField(
    "docker.stop_timeout",
    "matters only at the end of a container, which is given what the config says by then",
  ),
  ignoredField("docker.allowed_roots", "a rule for configs, not a property of a container"),
  ignoredField("docker.forbid_root", "a rule for configs, not a property of a container"),
  ignoredField(
    "docker.break_glass",
    "an exception from rules for configs; what it allows is in other fields",
  ),
  {
    path: "docker.engine_limits",
    hashed: false,
    classify: recreated,
    why: "someone set a limit on the container that no config key asks for, and the engine cannot remove it",
  },
  {
    path: "docker.engine_privileges",
    hashed: false,
    classify: recreated,
    why: "someone made the container with privileges that no config key gives",
  },
  {
    path: "docker.state_directory",
    hashed: false,
    classify: recreated,
    why: "sandkeep's state lies in what the container binds, and the container was made without a mask over it",
  },
];
