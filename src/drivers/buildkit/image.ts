/**
 * Which image commands run in. With `pin` and `track` the lock file or the registry says it, and the build names the
 * digest; otherwise the worker decides: one inside a Docker Engine by that engine's own images, any other for itself.
 */
import * as z from "zod";
import { toError } from "../../errors.ts";
import { isLoopback, knownFor } from "../../registry/reference.ts";
import type { ImageQuery, ImageState } from "../driver.ts";
import { askWorker } from "./control.ts";
import type { Dialer } from "./dial.ts";
import { askEngine } from "./engine.ts";
import { buildkitFailure } from "./errors.ts";

const imageSchema = z.object({ Id: z.string(), Os: z.string(), Architecture: z.string() });

export interface ImageContext {
  readonly dialer: Dialer;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export async function resolveImage(
  { dialer, env }: ImageContext,
  ref: string,
  policy: string,
  { known, platform }: ImageQuery = {},
): Promise<ImageState> {
  const given = known ?? (policy === "pin" && platform === undefined ? [] : undefined);
  if (given === undefined && platform === undefined && policy !== "track")
    return dialer.inEngine ? heldInEngine(dialer, ref) : { status: "absent" };
  const on = platform ?? (await askWorker(dialer)).platform;
  const exact = given === undefined ? undefined : knownFor(given, on);
  if (given !== undefined && exact === undefined)
    return { status: "absent", unresolved: `nothing is known of ${ref} for ${on}` };
  try {
    const access = { env, insecure: isLoopback };
    const { configOf, manifestFor, tagNow } = await import("../../registry/manifests.ts");
    const now = exact === undefined ? await tagNow(ref, access) : { ...exact, ref };
    const from = await manifestFor(now, on, access);
    // What the engine's own image is compared with; what is pinned needs no registry for it.
    const compared = dialer.inEngine && given !== undefined && policy !== "pin";
    return { status: "absent", from, ...(compared ? { image: await configOf(from, on, access) } : {}) };
  } catch (thrown) {
    const from = exact === undefined ? {} : { from: { ...exact, ref, platform: on } };
    return { status: "absent", ...from, unresolved: toError(thrown).message };
  }
}

async function heldInEngine(dialer: Dialer, ref: string): Promise<ImageState> {
  const { status, text } = await askEngine(dialer, `/images/${encodeURIComponent(ref)}/json`);
  if (status === 404) return { status: "absent" };
  const parsed = imageSchema.safeParse(status === 200 ? JSON.parse(text) : undefined);
  if (!parsed.success) throw buildkitFailure("look at the image", `the engine answered ${status}`);
  const { Id, Os, Architecture } = parsed.data;
  return {
    status: "present",
    image: { ref, kind: "config", digest: Id, platform: `${Os}/${Architecture}` },
  };
}
