import type { DesiredRuntime } from "../desire/desire.ts";
import type { GraphNode } from "../model/plan.ts";
import type { ImageFact } from "../observe/images.ts";
import { imageKey } from "../observe/images.ts";
import { fetchNode, seconds, TIMEOUT_S } from "./chain.ts";

/** An image is fetched by its engine at most once a plan, and only when the engine is known to lack it. */
export function fetchOf(
  images: ReadonlyMap<string, ImageFact>,
  desired: DesiredRuntime,
  fetches: Map<string, GraphNode>,
): GraphNode | undefined {
  const { image, backend, host, settings } = desired;
  if (image === undefined) return undefined;
  return fetchFor(images, { ...image, backend, host }, fetches, seconds(settings.timeouts.fetch));
}

/** Of those who wait for one image, the most patient decides how long its pull may take. */
export function fetchFor(
  images: ReadonlyMap<string, ImageFact>,
  want: Parameters<typeof fetchNode>[0],
  fetches: Map<string, GraphNode>,
  patience_s: number = TIMEOUT_S.fetch,
): GraphNode | undefined {
  if (want.policy === "never") return undefined;
  if (images.get(imageKey(want))?.state.status === "present") return undefined;
  const known = fetches.get(imageKey(want));
  const timeout_s = Math.max(known?.timeout_s ?? 0, patience_s);
  const node = { ...(known ?? fetchNode(want)), timeout_s };
  fetches.set(imageKey(want), node);
  return node;
}
