/**
 * In: the pinned images of a fleet and what their registries say. Out: the lock file beside the config, and what changed
 * in it. `lock` only adds; `update` is the one way to change what is there. Engines are only read.
 */
import { join, relative } from "node:path";
import type { LockEntry } from "../config/lock.ts";
import { lockPath, readLock, writeLock } from "../config/lock.ts";
import { SandkeepError } from "../errors.ts";
import type { ImageLock, LockedImage } from "../model/images.ts";
import type { ImageSurvey, ImagesRequest } from "../plan/image-survey.ts";
import { withImages } from "../plan/image-survey.ts";
import type { Engine } from "../plan/engine.ts";
import type { Invalid } from "../policy/fleet.ts";
import { failureOf } from "../observe/engines.ts";
import { withMutex } from "../state/mutex.ts";
import { listWords, nearestWord } from "../util/suggestion.ts";

export interface LockRequest extends ImagesRequest {
  /** `add` never changes an entry; `update` resolves anew. */
  readonly mode: "add" | "update";
  /** Only these references; empty means every pinned one. */
  readonly refs: readonly string[];
}

interface Wish {
  readonly ref: string;
  readonly platform: string;
  /** Engine whose driver knows how to ask the registry. */
  readonly place: { readonly backend: string; readonly host: string };
}

interface Edit {
  readonly row: LockedImage;
  /** Absent: the entry stays as it is; null: it goes. */
  readonly entry?: LockEntry | null;
}

export async function lockImages(
  engine: Engine,
  request: LockRequest,
): Promise<{ readonly status: "locked"; readonly lock: ImageLock } | Invalid> {
  return withImages(engine, request, async (images) => {
    refuseUnknown(images, request.refs);
    const { rootFile, lock = [] } = images.config.loaded;
    const { wishes, unseen } = await wishesOf(images, request, lock);
    const edits = await Promise.all(wishes.map((wish) => editFor(wish, images, request, lock, engine.now())));
    const gone = request.mode === "update" && request.refs.length === 0 ? unpinned(images, lock) : [];
    const all = [...edits, ...gone];
    const path = lockPath(rootFile);
    const written = all.some((each) => each.entry !== undefined);
    if (written) {
      await withMutex(join(images.seen.state.dir, "images-lock"), async () => {
        // Read again: another sandkeep may have written it while the registries were asked.
        const latest = await readLock(rootFile, engine.cwd);
        await writeLock(path, applied(latest.entries, all, request.mode));
      });
    }
    const rows = [...all.map((each) => each.row), ...unseen].toSorted((a, b) =>
      `${a.ref} ${a.platform}` < `${b.ref} ${b.platform}` ? -1 : 1,
    );
    const exit_code = rows.some((row) => row.status === "failed") ? 1 : 0;
    const file = relative(engine.cwd, path);
    return { status: "locked" as const, lock: { file, written, images: rows, exit_code } };
  });
}

function pinnedOf(images: ImageSurvey): ImageSurvey["declared"] {
  return images.declared.filter((each) => each.policy === "pin");
}

function refuseUnknown(images: ImageSurvey, refs: readonly string[]): void {
  const pinned = [...new Set(pinnedOf(images).map((each) => each.ref))];
  const unknown = refs.find((ref) => !pinned.includes(ref));
  if (unknown === undefined) return;
  const near = nearestWord(unknown, pinned);
  const known = pinned.length === 0 ? "No image is pinned." : `Pinned are ${listWords(pinned)}.`;
  throw new SandkeepError(`no runtime has the pinned image ${unknown}`, {
    code: "NO_SUCH_IMAGE",
    hint: near === undefined ? known : `Did you mean ${near}?`,
    exitCode: 64,
  });
}

/** Each pinned reference on each platform it is needed for; an update sees to the platforms of other machines too. */
async function wishesOf(
  images: ImageSurvey,
  { mode, refs }: LockRequest,
  lock: readonly LockEntry[],
): Promise<{ readonly wishes: readonly Wish[]; readonly unseen: readonly LockedImage[] }> {
  const wishes = new Map<string, Wish>();
  const unseen: LockedImage[] = [];
  const add = (wish: Wish): void => {
    const key = `${wish.ref} ${wish.platform}`;
    if (!wishes.has(key)) wishes.set(key, wish);
  };
  for (const { ref, backend, host } of pinnedOf(images)) {
    if (refs.length > 0 && !refs.includes(ref)) continue;
    const place = { backend, host };
    try {
      const held = await images.readerOf(place)?.images?.();
      if (held !== undefined) add({ ref, platform: held.platform, place });
      else unseen.push(failed(ref, "", null, `${backend}@${host} cannot be reached`));
    } catch (thrown) {
      unseen.push(failed(ref, "", null, failureOf(thrown).message));
    }
    const others = mode === "update" ? lock.filter((each) => each.ref === ref) : [];
    for (const { platform } of others) add({ ref, platform, place });
  }
  return { wishes: [...wishes.values()], unseen };
}

async function editFor(
  wish: Wish,
  images: ImageSurvey,
  { mode }: LockRequest,
  lock: readonly LockEntry[],
  now: number,
): Promise<Edit> {
  const { ref, platform } = wish;
  const known = lock.find((each) => each.ref === ref && each.platform === platform);
  const before = known?.digest ?? null;
  const unchanged = { ref, platform, before, after: before, status: "unchanged", message: null } as const;
  if (known !== undefined && mode === "add") return { row: unchanged };
  const state = await images.readerOf(wish.place)?.resolveImage(ref, "track", { platform });
  if (state === undefined || state.status === "unknown")
    return { row: failed(ref, platform, before, state?.message ?? "its engine cannot be reached") };
  const { from, unresolved } = state;
  if (from === undefined || from.kind === "config")
    return { row: failed(ref, platform, before, unresolved ?? "the registry did not say") };
  const { kind, digest } = from;
  if (known?.kind === kind && known.digest === digest) return { row: unchanged };
  return {
    row: { ...unchanged, after: digest, status: known === undefined ? "added" : "changed" },
    entry: { ref, platform, kind, digest, resolved_at: new Date(now).toISOString() },
  };
}

function unpinned(images: ImageSurvey, lock: readonly LockEntry[]): Edit[] {
  const pinned = new Set(pinnedOf(images).map((each) => each.ref));
  return lock
    .filter((each) => !pinned.has(each.ref))
    .map(({ ref, platform, digest }) => ({
      row: { ref, platform, before: digest, after: null, status: "removed", message: "no longer pinned" },
      entry: null,
    }));
}

function failed(ref: string, platform: string, before: string | null, message: string): LockedImage {
  return { ref, platform, before, after: before, status: "failed", message };
}

/** What another process added meanwhile stays. */
function applied(
  latest: readonly LockEntry[],
  edits: readonly Edit[],
  mode: LockRequest["mode"],
): readonly LockEntry[] {
  const entries = new Map(latest.map((each) => [`${each.ref} ${each.platform}`, each]));
  for (const { row, entry } of edits) {
    const key = `${row.ref} ${row.platform}`;
    if (entry === undefined || (mode === "add" && entries.has(key))) continue;
    if (entry === null) entries.delete(key);
    else entries.set(key, entry);
  }
  return [...entries.values()];
}
