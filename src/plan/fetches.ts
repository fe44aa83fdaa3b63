import type { DesiredRuntime } from "../desire/desire.ts";
import type { GraphNode } from "../model/plan.ts";
import type { ImageFact } from "../observe/images.ts";
import { imageKey } from "../observe/images.ts";
import { fetchNode } from "./chain.ts";

/** An image is fetched by its engine at most once a plan, and only when the engine is known to lack it. */
export function fetchOf(
  images: ReadonlyMap<string, ImageFact>,
  desired: DesiredRuntime,
  fetches: Map<string, GraphNode>,
): GraphNode | undefined {
  const { image, backend, host } = desired;
  return image === undefined ? undefined : fetchFor(images, { ...image, backend, host }, fetches);
}

export function fetchFor(
  images: ReadonlyMap<string, ImageFact>,
  want: Parameters<typeof fetchNode>[0],
  fetches: Map<string, GraphNode>,
): GraphNode | undefined {
  if (want.policy === "never") return undefined;
  if (images.get(imageKey(want))?.state.status === "present") return undefined;
  const node = fetches.get(imageKey(want)) ?? fetchNode(want);
  fetches.set(imageKey(want), node);
  return node;
}
