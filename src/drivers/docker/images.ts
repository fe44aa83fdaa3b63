import { toError } from "../../errors.ts";
import type { ImageIdentity } from "../../model/spec.ts";
import type { ImageQuery, ImageState } from "../driver.ts";
import type { Engine } from "./client.ts";
import type { EngineFacts } from "./facts.ts";
import { findImage } from "./facts.ts";
import { insecureFor } from "../../registry/insecure.ts";
import type { RegistryAccess } from "../../registry/manifests.ts";
import { platformOf } from "./observe.ts";
import { byDigest, knownFor } from "../../registry/reference.ts";
import type { Image } from "./wire.ts";

/** What image work needs of one engine. */
export interface ImageContext {
  readonly engine: Engine;
  readonly facts: EngineFacts;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * What a reference means under its policy. `missing` and `never` ask a registry at most for what the engine lacks;
 * `pin` wants what is `known`; `track` wants what the registry says now, or said when `known` is given.
 */
export async function resolveImage(
  context: ImageContext,
  ref: string,
  policy: string,
  query: ImageQuery = {},
): Promise<ImageState> {
  try {
    if (query.platform !== undefined) return await lacking(context, ref, query.platform);
    const platform = (): Promise<string> => context.facts.platform();
    if (query.known !== undefined) {
      const known = knownFor(query.known, await platform());
      return known === undefined
        ? await unresolved(context, ref, `nothing is known of ${ref} for ${await platform()}`)
        : await exactly(context, { ...known, ref }, await platform());
    }
    if (policy === "pin") return await unresolved(context, ref, `${ref} is in no lock file`);
    if (policy === "track") return await tracked(context, ref, await platform());
    // An engine takes longer to say what it is than to find an image, and there the image says it.
    const image = await findImage(context.engine, ref);
    if (image !== undefined) return { status: "present", image: identityOf(ref, image) };
    return policy === "never" ? { status: "absent" } : await lacking(context, ref, await platform());
  } catch (thrown) {
    return { status: "unknown", message: toError(thrown).message };
  }
}

/** An image's id in the engine, which is its config digest and that of every container made from it. */
export function identityOf(ref: string, image: Image): ImageIdentity {
  return { ref, kind: "config", digest: image.Id, platform: platformOf(image) };
}

async function accessOf(context: ImageContext): Promise<RegistryAccess> {
  const { RegistryConfig } = await context.facts.info();
  return { env: context.env, insecure: insecureFor(RegistryConfig) };
}

/** Loaded when a registry is asked, which most looks at an engine never do. */
const registries = () => import("../../registry/manifests.ts");

/** What an apply would fetch now, as far as the registry can be asked. */
async function lacking(context: ImageContext, ref: string, platform: string): Promise<ImageState> {
  try {
    const access = await accessOf(context);
    const { manifestFor, tagNow } = await registries();
    return { status: "absent", from: await manifestFor(await tagNow(ref, access), platform, access) };
  } catch (thrown) {
    return { status: "absent", unresolved: toError(thrown).message };
  }
}

async function tracked(context: ImageContext, ref: string, platform: string): Promise<ImageState> {
  let now: ImageIdentity;
  try {
    const { tagNow } = await registries();
    now = await tagNow(ref, await accessOf(context));
  } catch (thrown) {
    return unresolved(context, ref, toError(thrown).message);
  }
  return exactly(context, now, platform);
}

/** The engine's own image may be used, but proves nothing about what is wanted. */
async function unresolved(context: ImageContext, ref: string, message: string): Promise<ImageState> {
  const image = await findImage(context.engine, ref);
  return image === undefined
    ? { status: "absent", unresolved: message }
    : { status: "present", image: identityOf(ref, image), unresolved: message };
}

/** Digests of registries and ids of engines are unlike kinds: the engine's own table or a manifest joins them. */
async function exactly(context: ImageContext, wanted: ImageIdentity, platform: string): Promise<ImageState> {
  const { engine } = context;
  const { ref } = wanted;
  if (wanted.kind === "config") {
    const held = await findImage(engine, wanted.digest);
    return held === undefined
      ? { status: "absent", image: wanted }
      : { status: "present", image: identityOf(ref, held) };
  }
  const byName = await findImage(engine, byDigest(ref, wanted.digest));
  if (byName !== undefined) {
    return { status: "present", image: identityOf(ref, byName), from: { ...wanted, platform } };
  }
  try {
    const access = await accessOf(context);
    const { configOf, manifestFor } = await registries();
    const from = await manifestFor(wanted, platform, access);
    const sameName =
      wanted.kind === "index" ? await findImage(engine, byDigest(ref, from.digest)) : undefined;
    if (sameName !== undefined) return { status: "present", image: identityOf(ref, sameName), from };
    const image = await configOf(from, platform, access);
    // The very image under another name: loaded from a file, or pulled through another index.
    const sameImage = await findImage(engine, image.digest);
    return sameImage === undefined
      ? { status: "absent", image, from }
      : { status: "present", image: identityOf(ref, sameImage) };
  } catch (thrown) {
    return { status: "absent", from: { ...wanted, platform }, unresolved: toError(thrown).message };
  }
}
