import { stat } from "node:fs/promises";
import { SandkeepError } from "../../errors.ts";
import type { Json, JsonObject } from "../../model/json.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import { encodeLabels } from "../../model/labels.ts";
import { waitingFor } from "./command-secrets.ts";
import { OWN_NETWORK } from "../../model/network.ts";
import { gateEnv, NO_NAMES, ownNetworkName } from "./gates.ts";
import { limitOptions } from "./limits.ts";
import type { MountInput } from "./mounts.ts";
import { mountOptions, STAMP_LABEL, TARGET_LABEL, tmpfsOptions } from "./mounts.ts";
import { byDigest } from "../../registry/reference.ts";
import type { DockerSpec, Section } from "./section.ts";
import { KEEP_ALIVE } from "./values.ts";

const MAX_HOSTNAME = 63;
const DEFAULT_STOP_S = 10;

const SECOND_NS = 1_000_000_000;

/** `ready` is asked in the place of what the image brings. Older Podmans refuse any check without times and tries. */
const NO_HEALTHCHECK = { Test: ["NONE"], Interval: 30 * SECOND_NS, Timeout: 30 * SECOND_NS, Retries: 3 };

export interface ContainerInput extends MountInput {
  /** `uid:gid` for a section without a user; see `ownerOf`. */
  readonly user: string | undefined;
}

/** Body of a container's creation. Secrets are not in it: they reach each command when it runs. */
export function containerOptions(input: ContainerInput): JsonObject {
  const { spec, labels, stamp } = input;
  const { docker, workspace, env } = spec;
  const user = docker.user ?? input.user;
  const argv = argvOf(docker);
  return {
    Image: imageOf(labels, docker),
    Hostname: hostnameOf(labels.name),
    Labels: {
      ...docker.labels,
      ...encodeLabels(labels),
      [STAMP_LABEL]: stamp,
      ...(workspace.provider === "bind" || workspace.access === "ro"
        ? {}
        : { [TARGET_LABEL]: workspace.target }),
    },
    Env: [
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...(docker.egress === undefined ? [] : gateEnv(env)),
    ],
    // The whole argv is replaced, entrypoint included, so that what runs does not depend on the image.
    Entrypoint: [...argv.entrypoint],
    Cmd: [...argv.cmd],
    ...(spec.ready === undefined ? {} : { Healthcheck: NO_HEALTHCHECK }),
    WorkingDir: docker.workdir ?? workspace.target,
    StopTimeout: stopSeconds(docker),
    ...(user === undefined ? {} : { User: user }),
    HostConfig: hostOptions(input),
  };
}

function argvOf({
  command,
  command_secrets: secrets,
}: Section): typeof KEEP_ALIVE | ReturnType<typeof waitingFor> {
  if (command === undefined) return KEEP_ALIVE;
  return secrets.length === 0 ? { entrypoint: command, cmd: [] } : waitingFor(command);
}

function hostOptions(input: ContainerInput): JsonObject {
  const { labels } = input;
  const { docker } = input.spec;
  return {
    Init: docker.init,
    NetworkMode: docker.network === OWN_NETWORK ? ownNetworkName(labels.name) : docker.network,
    ReadonlyRootfs: docker.read_only_root,
    RestartPolicy: { Name: docker.restart },
    SecurityOpt: securityOptions(docker),
    Mounts: mountOptions(input),
    Tmpfs: tmpfsOptions(input),
    ...listOption("CapDrop", docker.cap_drop),
    ...listOption("Dns", docker.egress === undefined ? docker.dns : [NO_NAMES]),
    ...listOption("ExtraHosts", docker.extra_hosts),
    ...limitOptions(docker),
  };
}

/** Engines read an empty list as "none"; leaving it out keeps their own default. */
function listOption(name: string, values: readonly string[]): Record<string, Json> {
  return values.length === 0 ? {} : { [name]: [...values] };
}

function securityOptions(docker: Section): string[] {
  const options: string[] = [];
  if (docker.no_new_privileges) options.push("no-new-privileges");
  if (docker.apparmor !== undefined) options.push(`apparmor=${docker.apparmor}`);
  if (docker.seccomp !== undefined) options.push(`seccomp=${seccompProfile(docker.seccomp)}`);
  return options;
}

/** The normaliser leaves a path where it could not read a profile; running without one would be less than was asked for. */
function seccompProfile(value: string): string {
  if (value === "unconfined" || value.startsWith("{")) return value;
  throw new SandkeepError(`cannot read the seccomp profile ${value}`, {
    code: "SECCOMP_UNREADABLE",
    hint: "docker.seccomp must name a readable JSON file",
  });
}

/** By id or digest where it is known, so that a tag that moved since the plan cannot slip in another image. */
function imageOf({ image }: RuntimeLabels, docker: Section): string {
  if (image === undefined) return docker.image ?? "";
  return image.kind === "config" ? image.digest : byDigest(image.ref, image.digest);
}

function hostnameOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .slice(-MAX_HOSTNAME)
    .replace(/^-+|-+$/g, "");
}

function stopSeconds({ stop_timeout: timeout }: Section): number {
  if (timeout === "off") return 0;
  return timeout === undefined ? DEFAULT_STOP_S : Math.ceil(timeout / 1000);
}

/**
 * Who should run in a writable bind of this machine when the config names no user: the folder's owner. Root without
 * capabilities cannot write to another's files. Undefined leaves the choice to the image.
 */
export async function ownerOf(spec: DockerSpec): Promise<string | undefined> {
  const { provider, access, source } = spec.workspace;
  if (spec.docker.user !== undefined || provider !== "bind" || access !== "rw" || source === undefined)
    return undefined;
  try {
    const { uid, gid } = await stat(source);
    return uid === 0 ? undefined : `${uid}:${gid}`;
  } catch {
    // The engine will say that the source is missing, in the words of its own error.
    return undefined;
  }
}
