import * as z from "zod";
import { SandkeepError } from "../errors.ts";
import type { ImageIdentity } from "../model/spec.ts";
import { registryError } from "./errors.ts";
import type { Reference } from "./reference.ts";
import { parseReference } from "./reference.ts";
import { INDEX_TYPES, RegistryClient } from "./client.ts";

type Env = Readonly<Record<string, string | undefined>>;

const platformSchema = z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() });
const indexSchema = z.object({
  manifests: z.array(z.object({ digest: z.string(), platform: platformSchema.optional() })),
});
const manifestSchema = z.object({ config: z.object({ digest: z.string() }) });

type Document =
  | { readonly kind: "index"; readonly manifests: z.infer<typeof indexSchema>["manifests"] }
  | { readonly kind: "manifest"; readonly config: string };

/** What a digest names never changes, so each is read once a process. */
const documents = new Map<string, Document>();
const MOST_DOCUMENTS = 500;

/** How registries are asked for one engine. */
export interface RegistryAccess {
  readonly env: Env;
  /** True for registries that may be asked without encryption. */
  readonly insecure: (registry: string) => boolean;
}

/** A tag as its registry has it now: the digest it names, and whether that stands for several platforms. */
export async function tagNow(ref: string, access: RegistryAccess): Promise<ImageIdentity> {
  const { reference, client } = connect(ref, access);
  const { digest, mediaType } = await client.head(reference.digest ?? reference.tag ?? "latest");
  const kind = INDEX_TYPES.includes(mediaType) ? "index" : "manifest";
  return { ref, kind, digest, platform: "" };
}

/** The one manifest that an index holds for a platform; a manifest is its own. */
export async function manifestFor(
  identity: ImageIdentity,
  platform: string,
  access: RegistryAccess,
): Promise<ImageIdentity> {
  if (identity.kind === "manifest") return { ...identity, platform };
  const { reference, client } = connect(identity.ref, access);
  const document = await read(reference, client, identity.digest);
  if (document.kind === "manifest") return { ...identity, kind: "manifest", platform };
  const found = document.manifests
    .filter((each) => matches(each.platform, platform))
    .toSorted((a, b) => variantRank(a.platform?.variant) - variantRank(b.platform?.variant));
  const [best] = found;
  if (best !== undefined) return { ref: identity.ref, kind: "manifest", digest: best.digest, platform };
  throw new SandkeepError(`${identity.ref} has no image for ${platform}`, {
    code: "IMAGE_PLATFORM",
    hint: "use an image that is built for this platform",
  });
}

/** The config digest of an image that only its registry knows: what an engine will call it. */
export async function configOf(
  identity: ImageIdentity,
  platform: string,
  access: RegistryAccess,
): Promise<ImageIdentity> {
  const manifest = await manifestFor(identity, platform, access);
  const { reference, client } = connect(identity.ref, access);
  const document = await read(reference, client, manifest.digest);
  if (document.kind === "manifest")
    return { ref: identity.ref, kind: "config", digest: document.config, platform };
  throw registryError(`read ${identity.ref}`, { message: "an index stands where a manifest should" });
}

function connect(ref: string, access: RegistryAccess): { reference: Reference; client: RegistryClient } {
  const reference = parseReference(ref);
  if (reference === undefined) {
    throw new SandkeepError(`${ref} names no image of a registry`, {
      code: "IMAGE_REFERENCE",
      hint: 'use a name such as "debian:12-slim" or "registry.example.com/team/app:1"',
    });
  }
  const insecure = access.insecure(reference.registry);
  return { reference, client: new RegistryClient(reference, access.env, insecure) };
}

async function read(reference: Reference, client: RegistryClient, digest: string): Promise<Document> {
  const key = `${reference.registry}/${reference.repository}@${digest}`;
  const known = documents.get(key);
  if (known !== undefined) return known;
  const value = await client.get(digest);
  const index = indexSchema.safeParse(value);
  const manifest = manifestSchema.safeParse(value);
  if (!index.success && !manifest.success)
    throw registryError(`read ${key}`, { message: "it is no manifest that sandkeep understands" });
  const document: Document = index.success
    ? { kind: "index", manifests: index.data.manifests }
    : { kind: "manifest", config: manifest.data?.config.digest ?? "" };
  const [oldest] = documents.keys();
  if (documents.size >= MOST_DOCUMENTS && oldest !== undefined) documents.delete(oldest);
  documents.set(key, document);
  return document;
}

/** Attestations stand in an index under the platform "unknown", which no engine has. */
function matches(offered: z.infer<typeof platformSchema> | undefined, wanted: string): boolean {
  const [os, architecture, variant] = wanted.split("/");
  if (offered?.os !== os || offered?.architecture !== architecture) return false;
  return variant === undefined || offered?.variant === undefined || offered.variant === variant;
}

/** Of several variants without a wish, the plain or the newest common one, as engines choose. */
function variantRank(variant: string | undefined): number {
  return variant === undefined ? 0 : variant === "v8" ? 1 : variant === "v7" ? 2 : 3;
}
