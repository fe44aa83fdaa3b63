import { SandkeepError } from "../../errors.ts";
import type { ImageIdentity } from "../../model/spec.ts";
import type { FetchedImage } from "../driver.ts";
import { findImage } from "./facts.ts";
import type { ImageContext } from "./images.ts";
import { identityOf } from "./images.ts";
import type { Progress } from "./pull.ts";
import { byDigest, fullReference, parseReference } from "../../registry/reference.ts";
import type { Image } from "./wire.ts";
import { readImages } from "./wire.ts";

interface Want {
  readonly ref: string;
  readonly policy: string;
  readonly wanted: ImageIdentity | undefined;
}

/** Pulls what the engine lacks, unless the policy forbids it: exactly the planned digest where one was planned. */
export async function fetchImage(
  context: ImageContext,
  want: Want,
  onProgress: Progress,
): Promise<FetchedImage> {
  const { engine, facts } = context;
  const { ref, policy } = want;
  const wanted = want.wanted?.kind === "config" ? undefined : want.wanted;
  if (policy === "pin" && wanted === undefined) throw unpinned(ref);
  const name = wanted === undefined ? ref : byDigest(ref, wanted.digest);
  const engine_id = engine.dialect.engineId(await facts.info());
  const present = await findImage(engine, name);
  const held = present === undefined ? await idsOf(context) : undefined;
  if (present === undefined) await pullAllowed(context, policy, name, onProgress);
  const image = present ?? (await mustFind(context, name));
  if (wanted !== undefined) await tag(context, want, image);
  return {
    image: wanted ?? identityOf(ref, image),
    image_id: image.Id,
    engine_id,
    pulled: held !== undefined && !held.has(image.Id),
  };
}

/** By its name alone it would be whatever the tag means now. */
function unpinned(ref: string): SandkeepError {
  return new SandkeepError(`image ${ref} is pinned, and the plan does not say which image that is`, {
    code: "IMAGE_REFUSED",
    hint: "plan again, and see what `sandkeep images list` says of it",
  });
}

async function pullAllowed(
  context: ImageContext,
  policy: string,
  name: string,
  onProgress: Progress,
): Promise<void> {
  if (policy !== "never") {
    const { pull } = await import("./pull.ts");
    return pull(context.engine, context.env, name, onProgress);
  }
  throw new SandkeepError(
    `the engine does not have image ${name}, and image_policy "never" forbids pulling it`,
    {
      code: "DOCKER_IMAGE_NOT_FOUND",
      hint: 'load or build the image on the engine\'s machine, or use image_policy = "missing"',
    },
  );
}

async function mustFind(context: ImageContext, name: string): Promise<Image> {
  const pulled = await findImage(context.engine, name);
  if (pulled !== undefined) return pulled;
  throw new SandkeepError(`image ${name} was pulled, but the engine does not have it`, {
    code: "DOCKER_IMAGE_NOT_FOUND",
    kind: "transient",
    blame: "backend",
    hint: "someone may have removed it at once; try again",
  });
}

/**
 * What is pulled by digest has no tag. The engine's tag follows a tracked image; a missing one is given, but one that
 * somebody set meanwhile is left; a pinned image needs none.
 */
async function tag(context: ImageContext, { ref, policy }: Want, image: Image): Promise<void> {
  const reference = parseReference(fullReference(ref));
  if (policy === "pin" || reference?.tag === undefined) return;
  const tagged = await findImage(context.engine, ref);
  if (tagged?.Id === image.Id || (tagged !== undefined && policy !== "track")) return;
  await context.engine.writes.add(() =>
    context.engine.send({
      what: `tag image ${ref}`,
      method: "POST",
      path: `/images/${encodeURIComponent(image.Id)}/tag`,
      query: { repo: reference.name, tag: reference.tag },
    }),
  );
}

async function idsOf({ engine }: ImageContext): Promise<ReadonlySet<string>> {
  const call = { what: "list images", method: "GET", path: "/images/json", query: { all: true } } as const;
  return new Set((await engine.json(call, readImages)).map((each) => each.Id));
}
