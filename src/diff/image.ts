import type { ImageRefusal } from "../observe/images.ts";
import type { Situation } from "./situation.ts";
import type { Difference, Verdict } from "./verdict.ts";

/** Told when planning, not as a step that fails: no runtime can be made of an image that may not be had. */
export function withImage({ imageless }: Situation, verdict: Verdict): Verdict {
  if (imageless === undefined || (verdict.action !== "create" && verdict.action !== "recreate"))
    return verdict;
  return withoutImage(imageless, verdict.reasons);
}

export function withoutImage({ why, fix }: ImageRefusal, reasons: readonly Difference[] = []): Verdict {
  return { action: "blocked", rule: "image", why, fix, until: null, deferred: false, reasons };
}
