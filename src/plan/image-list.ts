import type { HeldImages } from "../drivers/driver.ts";
import type { ImageList, ListedImage } from "../model/images.ts";
import { imageDoubt, imageRefusal, planImage } from "../observe/images.ts";
import type { Invalid } from "../policy/fleet.ts";
import type { PulledRecord } from "../state/pulled-images.ts";
import { readPulled } from "../state/pulled-images.ts";
import type { DeclaredImage, ImageSurvey, ImagesRequest } from "./image-survey.ts";
import { withImages } from "./image-survey.ts";
import type { Engine } from "./engine.ts";

/** Which images the fleet runs, what each is on its engine and in the lock file, and who brought it there. */
export async function listImages(
  engine: Engine,
  request: ImagesRequest,
): Promise<{ readonly status: "listed"; readonly list: ImageList } | Invalid> {
  return withImages(engine, request, async (images) => {
    const pulled = await readPulled(images.seen.state);
    const rows = await Promise.all(images.declared.map((each) => listOne(each, images, pulled)));
    const unseen = rows.some((row) => row.state === "unknown");
    const { diagnostics } = images.seen;
    const list = { images: rows, diagnostics: [...diagnostics], exit_code: unseen ? 69 : 0 };
    return { status: "listed" as const, list };
  });
}

async function listOne(
  image: DeclaredImage,
  images: ImageSurvey,
  pulled: readonly PulledRecord[],
): Promise<ListedImage> {
  const { backend, host, ref, policy, fact } = image;
  const held = await heldOn(images, image);
  const state = fact?.state;
  const shown = fact === undefined ? undefined : planImage(fact);
  const image_id = state?.status === "present" ? state.image.digest : null;
  const lock = images.config.loaded.lock ?? [];
  const entry = lock.find((each) => each.ref === ref && each.platform === held?.platform);
  const mine = pulled.some((each) => each.image_id === image_id && each.engine_id === held?.engine_id);
  const doubt = fact === undefined ? undefined : (imageRefusal(fact)?.why ?? imageDoubt(fact)?.message);
  return {
    backend,
    host,
    ref,
    policy,
    state: state?.status ?? "unknown",
    kind: shown?.kind ?? null,
    digest: shown?.digest ?? null,
    platform: shown?.platform ?? held?.platform ?? null,
    image_id,
    locked: entry?.digest ?? null,
    pulled: mine,
    addresses: [...image.addresses],
    networks: [...image.networks],
    message: doubt ?? null,
  };
}

async function heldOn(
  images: ImageSurvey,
  place: { readonly backend: string; readonly host: string },
): Promise<HeldImages | undefined> {
  // A failure is told with the image itself, which is unknown then too.
  return images
    .readerOf(place)
    ?.images?.()
    .catch(() => undefined);
}
