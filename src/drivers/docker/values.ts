import { posix } from "node:path";
import type { Json, JsonObject } from "../../model/json.ts";
import { ADDRESS_LABEL, FLEET_LABEL, LABEL_PREFIX } from "../../model/labels.ts";
import { equalJson } from "../../util/json-path.ts";
import { isStageTree } from "../../util/stage-place.ts";
import { isSecretsTmpfs, withoutWaiting } from "./command-secrets.ts";
import { OWN_NETWORK } from "../../model/network.ts";
import { gateEnv, NO_NAMES } from "./gates.ts";
import { hasAppArmor, readGpus, readLimits } from "./limits.ts";
import { unmaskedPaths } from "./masks.ts";
import { isMask } from "./mounts.ts";
import { foreignPrivileges } from "./privileges.ts";
import type { DockerSpec } from "./section.ts";
import { plainCapability, sorted, tmpfsEntry } from "./spec.ts";
import type { Container } from "./wire-container.ts";
import type { Image, Info } from "./wire.ts";

/** What keeps a container alive that has no main program of its own. */
export const KEEP_ALIVE = { entrypoint: ["sleep"], cmd: ["infinity"] } as const;
export const KEEP_ALIVE_ARGV: readonly string[] = [...KEEP_ALIVE.entrypoint, ...KEEP_ALIVE.cmd];

/** What is needed to read a container's fields in the form of its spec. */
export interface ReadContext {
  /** The spec it was created from; what that left to image and engine is not drift. */
  readonly created: DockerSpec;
  /** Undefined when the engine no longer has the image. */
  readonly image: Image | undefined;
  readonly info: Info;
  /** The reference the container was made from. */
  readonly ref: string;
  /** Engine name of the network that this runtime would have to itself. */
  readonly own: string;
  /** Real path of our state directory. */
  readonly stateDir: string;
  /** Ids of the networks there are; undefined where that was not worth asking. */
  readonly live?: ReadonlySet<string> | undefined;
}

/**
 * A container as field-table values, in exactly the form `normalise` gives a spec. Null means "observed, and not set";
 * a path is absent when the engine cannot tell.
 */
export function readFields(container: Container, context: ReadContext): Record<string, Json> {
  const { created, image, info } = context;
  return {
    ...readWorkspace(container, created),
    env: readEnv(container, created, image),
    "docker.image": context.ref,
    "docker.command": readCommand(container, created),
    "docker.user": readUser(container, created, image),
    "docker.workdir": readWorkdir(container, created),
    "docker.binds": readBinds(container, created, image),
    "docker.network": readNetwork(container, context),
    ...readEgress(container, created),
    "docker.ulimits": readUlimits(container, created),
    "docker.tmpfs": readTmpfs(container),
    ...readLimits(container.HostConfig, info),
    ...readSecurity(container, created, info),
    "docker.engine_privileges": foreignPrivileges(container.HostConfig),
    "docker.dns": created.docker.egress === undefined ? [...container.HostConfig.Dns] : [],
    "docker.extra_hosts": sorted(container.HostConfig.ExtraHosts),
    "docker.gpus": readGpus(container.HostConfig.DeviceRequests),
    "docker.init": container.HostConfig.Init,
    "docker.restart": readRestart(container),
    "docker.labels": readLabels(container, created, image),
    ...readStateDirectory(container, context.stateDir),
  };
}

/** Others keep their state elsewhere, and need not see it told as nothing. */
function readStateDirectory(container: Container, stateDir: string): Record<string, Json> {
  const shown = unmaskedPaths(container, stateDir);
  return shown.length === 0 ? {} : { "docker.state_directory": `shown at ${shown.join(", ")}` };
}

function readWorkspace(container: Container, created: DockerSpec): Record<string, Json> {
  const mount = container.Mounts.find(({ Destination }) => Destination === created.workspace.target);
  if (mount === undefined) return { "workspace.target": null };
  const fields: Record<string, Json> = { "workspace.target": mount.Destination };
  const { [FLEET_LABEL]: fleet = "", [ADDRESS_LABEL]: address = "" } = container.Config.Labels;
  // What a stage was made from the mount does not tell.
  const staged = mount.Type === "bind" && isStageTree(mount.Source, { fleet, address });
  // On another machine the stage is here, and the volume tells nothing of it.
  const told = created.workspace.provider === "volume" ? created.writes === "staged" : staged;
  fields["writes"] = told ? "staged" : null;
  if (mount.Type === "bind" && !staged) fields["workspace.source"] = mount.Source;
  // Whether a volume is a runtime's own or canonical it does not tell; that it is no folder, it does.
  if (mount.Type === "bind" || created.workspace.provider === "bind")
    fields["workspace.provider"] = mount.Type;
  // The name of a volume tells nothing of the folder it was once filled from.
  if (created.workspace.provider !== "own") fields["workspace.access"] = mount.RW ? "rw" : "ro";
  else if (!mount.RW) fields["workspace.access"] = "ro";
  return fields;
}

const NUMERIC_OWNER = /^[1-9]\d*:\d+$/;

/** Left unset, the user is the image's or the workspace owner's: either is as we made it, and root is not. */
function readUser(
  { Config: { User } }: Container,
  { docker, workspace }: DockerSpec,
  image: Image | undefined,
): Json {
  if (docker.user !== undefined) return User;
  if (image === undefined) return null;
  const owned = workspace.provider === "bind" && workspace.access === "rw" && NUMERIC_OWNER.test(User);
  return owned || User === (image.Config?.User ?? "") ? null : User;
}

/** What the spec set, plus what neither spec nor image can explain. */
function readEnv(container: Container, created: DockerSpec, image: Image | undefined): JsonObject {
  const gate = created.docker.egress === undefined ? [] : gateEnv(created.env);
  const inherited = new Set([...(image?.Config?.Env ?? []), ...gate]);
  const env: Record<string, string> = {};
  for (const entry of container.Config.Env) {
    const equals = entry.indexOf("=");
    const name = equals < 0 ? entry : entry.slice(0, equals);
    const ours = Object.hasOwn(created.env, name);
    if (ours || (image !== undefined && !inherited.has(entry)))
      env[name] = equals < 0 ? "" : entry.slice(equals + 1);
  }
  return env;
}

function readLabels(container: Container, created: DockerSpec, image: Image | undefined): JsonObject {
  const inherited = image?.Config?.Labels ?? {};
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(container.Config.Labels)) {
    if (name.startsWith(LABEL_PREFIX)) continue;
    const ours = Object.hasOwn(created.docker.labels, name);
    if (ours || (image !== undefined && inherited[name] !== value)) labels[name] = value;
  }
  return labels;
}

function readCommand(container: Container, created: DockerSpec): Json {
  return created.docker.command === undefined && mainOf(container) === "keeper" ? null : argvOf(container);
}

/** A keeper's main process is the one that only keeps it alive. */
export function mainOf(container: Container): "keeper" | "program" {
  return equalJson(argvOf(container), KEEP_ALIVE_ARGV) ? "keeper" : "program";
}

function argvOf({ Config: { Entrypoint, Cmd } }: Container): readonly string[] {
  return withoutWaiting([...Entrypoint, ...Cmd]);
}

function readWorkdir(container: Container, created: DockerSpec): Json {
  const found = container.Config.WorkingDir;
  return created.docker.workdir === undefined && found === created.workspace.target ? null : found;
}

/** Binds, and volumes that somebody mounted: no key of ours does, and those an image asks for are its own. */
function readBinds(container: Container, created: DockerSpec, image: Image | undefined): Json {
  // Engines keep the text of an image's `VOLUME` as it was written, and clean the path of the mount they make of it.
  const own = new Set(image?.Config?.Volumes.map((path) => posix.resolve("/", path)));
  return container.Mounts.filter(
    ({ Type, Destination }) =>
      Destination !== created.workspace.target &&
      (Type === "bind" ||
        (Type === "volume" && image !== undefined && !own.has(posix.resolve("/", Destination)))),
  )
    .toSorted((a, b) => (a.Destination < b.Destination ? -1 : 1))
    .map(({ Type, Name, Source, Destination, RW }) => ({
      source: Type === "volume" ? Name : Source,
      target: Destination,
      mode: RW ? "rw" : "ro",
    }));
}

/** The networks it is really on: one that someone disconnected is seen as null, an added one beside the first. */
function readNetwork(container: Container, { own, live }: ReadContext): Json {
  const mode = container.HostConfig.NetworkMode;
  if (mode.startsWith("container:")) return mode;
  // A network that was removed under a stopped container is not the one of the same name that came after it.
  const names = container.NetworkSettings.map(({ name, id }) =>
    live === undefined || id === "" || live.has(id)
      ? name === own
        ? OWN_NETWORK
        : name
      : `${name} (removed)`,
  );
  const networks = sorted(names);
  return networks.length === 0 ? null : networks.join(",");
}

/** Whether what the container is told keeps its names and its requests at the gate. */
function readEgress(container: Container, created: DockerSpec): Record<string, Json> {
  if (created.docker.egress === undefined) return {};
  const { Env } = container.Config;
  const told = gateEnv(created.env).every((entry) => Env.includes(entry));
  const [server, ...more] = container.HostConfig.Dns;
  return { "docker.egress": told && server === NO_NAMES && more.length === 0 ? created.docker.egress : null };
}

/**
 * Engines add their own default limits, so only those we asked for are ours to compare: one that somebody added, as the
 * size of /dev/shm, looks just like an engine's default.
 */
function readUlimits(container: Container, created: DockerSpec): JsonObject {
  return Object.fromEntries(
    container.HostConfig.Ulimits.filter(({ Name }) => Object.hasOwn(created.docker.ulimits, Name)).map(
      ({ Name, Soft, Hard }) => [Name, { soft: Soft, hard: Hard }],
    ),
  );
}

function readTmpfs(container: Container): Json {
  const { Tmpfs } = container.HostConfig;
  const texts = Object.entries(Tmpfs)
    .filter(([path, options]) => !isMask(options) && !isSecretsTmpfs(path, options))
    .map(([path, options]) => tmpfsEntry(options === "" ? path : `${path}:${options}`)[1]);
  // One that somebody mounted in the other way there is.
  const mounted = container.Mounts.filter(
    ({ Type, Destination }) => Type === "tmpfs" && !Object.hasOwn(Tmpfs, Destination),
  ).map(({ Destination }) => Destination);
  return sorted([...texts, ...mounted]);
}

/** In the spelling that was asked for, where it is the same capability. */
function readDropped({ HostConfig: { CapDrop } }: Container, { docker }: DockerSpec): Json {
  const asked = new Set(docker.cap_drop);
  const spelling = new Map([...asked].map((name) => [plainCapability(name), name]));
  return sorted(
    new Set(CapDrop.map((name) => (asked.has(name) ? name : (spelling.get(plainCapability(name)) ?? name)))),
  );
}

function readSecurity(container: Container, created: DockerSpec, info: Info): Record<string, Json> {
  const options = container.HostConfig.SecurityOpt;
  const valueOf = (name: string): string | null => {
    const found = options.find((option) => option.startsWith(`${name}=`) || option.startsWith(`${name}:`));
    return found === undefined ? null : found.slice(name.length + 1);
  };
  return {
    "docker.read_only_root": container.HostConfig.ReadonlyRootfs,
    "docker.cap_drop": readDropped(container, created),
    "docker.seccomp": valueOf("seccomp"),
    ...readAppArmor(container, valueOf("apparmor"), info),
    "docker.no_new_privileges": options.some((option) => /^no-new-privileges(?:[:=]true)?$/.test(option)),
  };
}

/**
 * The profile that confines it: an engine repeats whatever was asked for. Left out where the engine can apply none: then
 * it could not be set, so it cannot drift.
 */
function readAppArmor(
  { AppArmorProfile }: Container,
  asked: string | null,
  info: Info,
): Record<string, Json> {
  if (asked === null || asked === "unconfined") return { "docker.apparmor": asked };
  if (!hasAppArmor(info)) return {};
  return { "docker.apparmor": AppArmorProfile === "" ? null : AppArmorProfile };
}

function readRestart(container: Container): Json {
  const policy = container.HostConfig.RestartPolicy;
  const name = policy?.Name ?? "";
  if (name === "" || name === "no") return "no";
  const retries = policy?.MaximumRetryCount ?? 0;
  return retries > 0 ? `${name}:${retries}` : name;
}
