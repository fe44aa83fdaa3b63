import { hasKind, SandkeepError } from "../../errors.ts";
import type { HeldImages } from "../driver.ts";
import type { Engine } from "./client.ts";
import { isImageMissing } from "./errors.ts";
import type { EngineFacts } from "./facts.ts";
import { readImages, readUsers } from "./wire.ts";

const REMOVE_TIMEOUT_MS = 120_000;

/** Everything the engine holds and what uses it, stopped containers and those of others included. */
export async function heldImages(engine: Engine, facts: EngineFacts): Promise<HeldImages> {
  const [info, platform, images, containers] = await Promise.all([
    facts.info(),
    facts.platform(),
    engine.json({ what: "list images", method: "GET", path: "/images/json" }, readImages),
    engine.json(
      { what: "list containers", method: "GET", path: "/containers/json", query: { all: true } },
      readUsers,
    ),
  ]);
  return {
    engine_id: engine.dialect.engineId(info),
    platform,
    images: images.map(({ Id, RepoTags, RepoDigests, Size }) => ({
      image_id: Id,
      names: [...RepoTags, ...RepoDigests].filter((name) => !name.includes("<none>")),
      size: Size,
      used_by: containers
        .filter(({ ImageID }) => ImageID === Id)
        .map((each) => each.Names[0]?.replace(/^\//, "") ?? each.Id.slice(0, 12)),
    })),
  };
}

/** Never by force: what something needs, or what goes by names of several repositories, stays. */
export async function removeImage(engine: Engine, imageId: string): Promise<void> {
  try {
    await engine.writes.add(() =>
      engine.send({
        what: `remove image ${imageId.slice(0, 19)}`,
        method: "DELETE",
        path: `/images/${encodeURIComponent(imageId)}`,
        timeout: REMOVE_TIMEOUT_MS,
      }),
    );
  } catch (thrown) {
    if (isImageMissing(thrown)) return;
    if (hasKind(thrown, "conflict")) {
      throw new SandkeepError(thrown.message, {
        code: "DOCKER_IMAGE_IN_USE",
        kind: "conflict",
        blame: "backend",
        hint: "remove what needs it first",
        cause: thrown,
      });
    }
    throw thrown;
  }
}
