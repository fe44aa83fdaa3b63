import type { Intent } from "../model/intent.ts";
import { withoutImage } from "./image.ts";
import type { Situation } from "./situation.ts";
import type { Verdict } from "./verdict.ts";

const WHY = "ephemeral by nature: each command is a build of its own, so nothing is made or removed";

/** Of what has no runtime: it is ready, unless no command could be built for want of its image. */
export function neverMade({ imageless }: Situation, { mode }: Intent): Verdict {
  return imageless === undefined || mode !== "apply"
    ? { action: "none", rest: "ready", why: WHY }
    : withoutImage(imageless);
}
