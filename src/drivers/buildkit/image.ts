/** Which image commands run in, where the worker can tell: one inside a Docker Engine uses that engine's own images. */
import * as z from "zod";
import type { ImageState } from "../driver.ts";
import type { Dialer } from "./dial.ts";
import { askEngine } from "./engine.ts";
import { buildkitFailure } from "./errors.ts";

const imageSchema = z.object({ Id: z.string(), Os: z.string(), Architecture: z.string() });

export async function resolveImage(dialer: Dialer, ref: string): Promise<ImageState> {
  // A worker of its own asks the registry anew for each build.
  if (!dialer.inEngine) return { status: "absent" };
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
