import type { ImageState, ReadDriver } from "../drivers/driver.ts";
import type { LockEntry } from "../config/lock.ts";
import type { CheckedImage, ImageCheck } from "../model/images.ts";
import type { ImageIdentity } from "../model/spec.ts";
import { failureOf } from "../observe/engines.ts";
import type { Invalid } from "../policy/fleet.ts";
import { worstExitCode } from "./exit-code.ts";
import type { DeclaredImage, ImageSurvey, ImagesRequest } from "./image-survey.ts";
import { withImages } from "./image-survey.ts";
import type { Engine } from "./engine.ts";

type Verdict = Pick<CheckedImage, "status" | "here" | "registry" | "why">;

const CODES: Readonly<Record<CheckedImage["status"], number>> = {
  current: 0,
  unasked: 0,
  absent: 0,
  moved: 2,
  unlocked: 2,
  unknown: 69,
};

/** Whether tags moved in their registries since they were locked, or since the engine got them. Changes nothing. */
export async function checkImages(
  engine: Engine,
  request: ImagesRequest,
): Promise<{ readonly status: "checked"; readonly check: ImageCheck } | Invalid> {
  return withImages(engine, request, async (images) => {
    // No moved tag replaces a gate: what only gates run cannot be out of date.
    const asked = images.declared.filter((each) => each.addresses.length > 0);
    const rows = await Promise.all(asked.map((each) => checkOne(each, images)));
    const exit_code = worstExitCode(rows.map((row) => CODES[row.status]));
    return { status: "checked" as const, check: { images: rows, exit_code } };
  });
}

async function checkOne(image: DeclaredImage, images: ImageSurvey): Promise<CheckedImage> {
  const { backend, host, ref, policy } = image;
  const found = (its: Verdict): CheckedImage => ({ backend, host, ref, policy, ...its });
  const reader = images.readerOf(image);
  if (policy === "never") return found(verdict("unasked", 'image_policy "never" asks no registry'));
  if (reader?.images === undefined) return found(verdict("unknown", "its engine is not reachable"));
  try {
    const { platform } = await reader.images();
    const state = await reader.resolveImage(ref, "track", { platform });
    const now = fromRegistry(state);
    if (now === undefined) return found(verdict("unknown", doubtOf(state)));
    if (policy !== "pin") return found(await againstEngine(reader, ref, policy, now));
    const lock = images.config.loaded.lock ?? [];
    return found(
      againstLock(
        lock.find((each) => each.ref === ref && each.platform === platform),
        now,
      ),
    );
  } catch (thrown) {
    return found(verdict("unknown", failureOf(thrown).message));
  }
}

function verdict(status: Verdict["status"], why: string, here?: string, registry?: string): Verdict {
  return { status, why, here: here ?? null, registry: registry ?? null };
}

function againstLock(entry: LockEntry | undefined, now: ImageIdentity): Verdict {
  if (entry === undefined) {
    return verdict(
      "unlocked",
      "the lock file has no entry; `sandkeep images lock` adds it",
      undefined,
      now.digest,
    );
  }
  if (entry.kind !== now.kind) {
    const why = `the lock file names the ${entry.kind}, the registry the ${now.kind}`;
    return verdict("unknown", why, entry.digest, now.digest);
  }
  return entry.digest === now.digest
    ? verdict("current", "as locked", entry.digest, now.digest)
    : verdict("moved", "the tag moved since it was locked", entry.digest, now.digest);
}

/** What the tag means on the engine, against what the engine would call what the registry has. */
async function againstEngine(
  reader: ReadDriver,
  ref: string,
  policy: string,
  now: ImageIdentity,
): Promise<Verdict> {
  const here = await reader.resolveImage(ref, "never");
  if (here.status === "unknown") return verdict("unknown", here.message);
  if (here.status === "absent")
    return verdict("absent", "the engine holds no image of this name", undefined, now.digest);
  const there = await reader.resolveImage(ref, policy, { known: [now] });
  if (there.status === "unknown") return verdict("unknown", there.message);
  if (there.image === undefined) return verdict("unknown", doubtOf(there), here.image.digest, now.digest);
  return there.image.digest === here.image.digest
    ? verdict("current", "the engine has what the registry has", here.image.digest, now.digest)
    : verdict("moved", "the registry has another image than the engine", here.image.digest, now.digest);
}

function fromRegistry(state: ImageState): ImageIdentity | undefined {
  return state.status === "unknown" ? undefined : state.from;
}

function doubtOf(state: ImageState): string {
  if (state.status === "unknown") return state.message;
  return state.unresolved ?? "the registry did not say";
}
