import type { ImageIdentity } from "../model/spec.ts";

/** An image reference taken apart. */
export interface Reference {
  /** Host, and port where there is one, of the registry's API. */
  readonly registry: string;
  /** Path below `/v2/`. */
  readonly repository: string;
  /** As written, without tag and digest: what the engine calls the repository. */
  readonly name: string;
  /** `latest` where neither tag nor digest is written. */
  readonly tag?: string;
  /** `sha256:<hex>`. */
  readonly digest?: string;
}

const HUB = "registry-1.docker.io";
const HUB_NAMES: ReadonlySet<string> = new Set(["docker.io", "index.docker.io", HUB]);
const PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REPOSITORY = new RegExp(`^${PART}(?:/${PART})*$`);
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const IMAGE_ID = /^(?:sha256:)?[0-9a-f]{64}$/;

/** Undefined for what no registry can be asked about, such as an image's id. */
export function parseReference(text: string): Reference | undefined {
  if (IMAGE_ID.test(text)) return undefined;
  const [written = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return undefined;
  const colon = written.indexOf(":", written.lastIndexOf("/") + 1);
  const name = colon < 0 ? written : written.slice(0, colon);
  const tag = colon < 0 ? undefined : written.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) return undefined;
  const [first = "", ...rest] = name.split("/");
  const hosted = rest.length > 0 && isHost(first);
  const path = hosted ? rest.join("/") : name;
  const registry = hosted && !HUB_NAMES.has(first) ? first : HUB;
  // The hub keeps images without an owner under this name.
  const repository = registry === HUB && !path.includes("/") ? `library/${path}` : path;
  if (!REPOSITORY.test(repository) || !HOST.test(registry)) return undefined;
  if (digest !== undefined) return { registry, repository, name, digest };
  return { registry, repository, name, tag: tag ?? "latest" };
}

/** The one full spelling of a reference, which engines shorten or write out; undefined as for `parseReference`. */
export function canonicalName(text: string): string | undefined {
  const parsed = parseReference(text);
  if (parsed === undefined) return undefined;
  const { registry, repository, tag, digest } = parsed;
  return `${registry}/${repository}${digest === undefined ? `:${tag ?? "latest"}` : `@${digest}`}`;
}

/** Engines and workers ask registries of their own machine without encryption, whatever they are told. */
export function isLoopback(registry: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(registry);
}

/** A lock names platforms as engines do; an engine's variant may be written out or not. */
export function knownFor(known: readonly ImageIdentity[], platform: string): ImageIdentity | undefined {
  return known.find((each) => each.platform === platform || each.platform === "");
}

/** The docker CLI's rule: what looks like a host is one. */
export function isHost(part: string): boolean {
  return part.includes(".") || part.includes(":") || part === "localhost";
}

/** One image of a repository, whatever its tags mean. */
export function byDigest(ref: string, digest: string): string {
  return `${parseReference(ref)?.name ?? ref}@${digest}`;
}

/** Without a tag or digest the engine would pull every tag there is. */
export function fullReference(ref: string): string {
  const name = ref.slice(ref.lastIndexOf("/") + 1);
  return ref.includes("@") || name.includes(":") ? ref : `${ref}:latest`;
}
