/**
 * In: what Podman shows of a container, and the spec it was created from. Out: what Docker would have shown, so that one
 * reader serves both. What Podman adds on its own is taken away; everything else stays and may be drift.
 */
import { DEFAULT_CAPABILITIES } from "./default-capabilities.ts";
import { secretsTmpfs } from "./command-secrets.ts";
import { MASK } from "./mounts.ts";
import { fullReference } from "../../registry/reference.ts";
import type { DockerSpec } from "./section.ts";
import { plainCapability, tmpfsEntry } from "./spec.ts";
import type { Container, HostConfig } from "./wire-container.ts";

export function asDocker(container: Container, created: DockerSpec): Container {
  const { HostConfig: host, Config } = container;
  return {
    ...container,
    NetworkSettings: networks(container, created),
    Config: {
      ...Config,
      Image: imageName(Config.Image, created),
      Env: Config.Env.filter((entry) => !isInjected(entry, created)),
    },
    HostConfig: {
      ...host,
      // It shows none of those that it hides.
      MaskedPaths: undefined,
      ReadonlyPaths: undefined,
      ...capabilities(host, created),
      ...cpu(host, created),
      Ulimits: host.Ulimits.map((limit) => ({
        ...limit,
        Name: limit.Name.toLowerCase().replace(/^rlimit_/, ""),
      })),
      Tmpfs: Object.fromEntries(
        Object.entries(host.Tmpfs)
          .filter(([path, options]) => !(host.ReadonlyRootfs && isPodmansOwn(path, options)))
          .map(([path, options]) => [path, tmpfsText(path, options, created)]),
      ),
    },
  };
}

/** Podman writes a short name out, with the registry where it found it. */
function imageName(shown: string, { docker: { image } }: DockerSpec): string {
  if (image === undefined) return shown;
  const full = fullReference(image);
  const same = ["", "localhost/", "docker.io/", "docker.io/library/"].some((at) => shown === at + full);
  return same ? image : shown;
}

/** Podman's name for its default bridge; a container without a network of its own is on none at all. */
const DEFAULT_NETWORK = "podman";

function networks(
  { HostConfig, NetworkSettings }: Container,
  { docker }: DockerSpec,
): Container["NetworkSettings"] {
  const mode = HostConfig.NetworkMode;
  if (NetworkSettings.length === 0) return mode === "none" || mode === "host" ? [{ name: mode, id: "" }] : [];
  const asked = docker.network === DEFAULT_NETWORK;
  return NetworkSettings.map(({ name, id }) => ({
    name: name === DEFAULT_NETWORK && !asked ? "bridge" : name,
    id,
  }));
}

/** Variables that Podman sets by itself, with the values it gives them. Proxies are those of its own environment. */
const INJECTED: readonly RegExp[] = [
  /^container=(?:podman|oci)$/,
  /^TERM=xterm(?:-256color)?$/,
  /^PATH=\/usr\/local\/sbin:\/usr\/local\/bin:\/usr\/sbin:\/usr\/bin:\/sbin:\/bin$/,
  /^HOME=\//,
  /^HOSTNAME=/,
  /^(?:https?|ftp|no)_proxy=/i,
];

function isInjected(entry: string, { env }: DockerSpec): boolean {
  const name = entry.slice(0, Math.max(0, entry.indexOf("=")));
  return !Object.hasOwn(env, name) && INJECTED.some((pattern) => pattern.test(entry));
}

/** What Podman compares a container's capabilities with, whatever its own defaults are. */
const COMPARED: ReadonlySet<string> = new Set(DEFAULT_CAPABILITIES);

/**
 * Podman shows capabilities one by one, as the difference to a list of its own. With "ALL" asked, anything it has is
 * drift; otherwise what else the engine's defaults give or take is not the container's.
 */
function capabilities(host: HostConfig, { docker }: DockerSpec): Pick<HostConfig, "CapAdd" | "CapDrop"> {
  const added = new Set(host.CapAdd.map((name) => plainCapability(name)));
  const dropped = new Set(host.CapDrop.map((name) => plainCapability(name)));
  const asked = docker.cap_drop;
  if (asked.includes("ALL")) {
    const none = added.size === 0 && [...COMPARED].every((name) => dropped.has(name));
    return { CapAdd: [...added], CapDrop: none ? [...asked] : [...dropped] };
  }
  const isGone = (name: string): boolean => dropped.has(name) || (!COMPARED.has(name) && !added.has(name));
  return { CapAdd: [], CapDrop: asked.filter((name) => isGone(plainCapability(name))) };
}

const NANO = 1e9;

/** Podman keeps CPU as a quota, cut to whole microseconds, and shows it in both ways. */
function cpu(
  host: HostConfig,
  { docker }: DockerSpec,
): Pick<HostConfig, "NanoCpus" | "CpuQuota" | "CpuPeriod"> {
  const { NanoCpus, CpuQuota: quota, CpuPeriod: period } = host;
  if (quota <= 0 || period === 0) return { NanoCpus, CpuQuota: quota, CpuPeriod: period };
  const asked = docker.cpus;
  const kept = asked !== undefined && Math.abs(asked * period - quota) < 1;
  return { NanoCpus: Math.round((kept ? asked : quota / period) * NANO), CpuQuota: 0, CpuPeriod: 0 };
}

/**
 * Docker's tmpfs is empty and forbids programs; Podman's would hold a copy of what lies below it, which for the mount
 * over our state directory is the very thing it hides.
 */
export function tmpfsSent(options: string): string {
  const words = wordsOf(options);
  const programs = words.includes("exec") || words.includes("noexec") ? [] : ["noexec"];
  return [...words, ...programs, "notmpcopyup"].join(",");
}

const OWN_PATHS: ReadonlySet<string> = new Set(["/run", "/tmp", "/var/tmp"]);

/** Podman gives a read-only root these folders in memory, unless the spec has its own there; its API has no way around. */
function isPodmansOwn(path: string, options: string): boolean {
  return (
    OWN_PATHS.has(path) && sameWords(wordsOf(options), ["rw", "nosuid", "nodev", "rprivate", "tmpcopyup"])
  );
}

const PROPAGATION = /^r?(?:private|shared|slave|unbindable)$/;

/** The options that were asked for, when those shown are what Podman makes of them. */
function tmpfsText(path: string, shown: string, { docker }: DockerSpec): string {
  const asked = docker.tmpfs.map(tmpfsEntry).find(([target]) => target === path)?.[1];
  const options = asked?.slice(path.length + 1) ?? secretsTmpfs()[path] ?? MASK;
  return sameWords(wordsOf(shown), filledIn(wordsOf(tmpfsSent(options)))) ? options : shown;
}

function filledIn(words: readonly string[]): readonly string[] {
  const has = (...names: readonly string[]): boolean => names.some((name) => words.includes(name));
  return [
    ...words.filter((word) => word !== "notmpcopyup"),
    ...(has("ro", "rw") ? [] : ["rw"]),
    ...(has("suid", "nosuid") ? [] : ["nosuid"]),
    ...(has("dev", "nodev") ? [] : ["nodev"]),
    ...(words.some((word) => PROPAGATION.test(word)) ? [] : ["rprivate"]),
  ];
}

function wordsOf(options: string): readonly string[] {
  return options === "" ? [] : options.split(",");
}

function sameWords(left: readonly string[], right: readonly string[]): boolean {
  return left.toSorted().join() === right.toSorted().join();
}
