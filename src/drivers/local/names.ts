/** Names: symlinks beside `objects/`. Making one is the mutex of a runtime's name. */
import { lstat, readdir, readlink, rename, symlink, unlink } from "node:fs/promises";
import { join } from "node:path";
import { SLOT_SUFFIX } from "../../model/names.ts";
import { errnoOf, unlessMissing } from "../../util/errno.ts";
import { isAtWork } from "./creator.ts";
import type { FleetLayout } from "./layout.ts";
import { DORMANT, linkTarget, objectIdOf, OBJECTS } from "./layout.ts";
import { LABELS, MANIFEST } from "./manifest.ts";

export interface NameEntry {
  readonly name: string;
  /** Undefined when something that is not our link holds the name. */
  readonly objectId: string | undefined;
}

/** Staging folders carry their creator, so that a killed one's are told from one at work. */
export const STAGING = /^\.new-([0-9a-f]{16})-(\S+)$/;

export function stagingName(objectId: string, creator: string): string {
  return `.new-${objectId}-${creator}`;
}

/** Every name in the fleet's folder, sorted. A folder that does not exist holds none. */
export async function listNames(layout: FleetLayout): Promise<readonly NameEntry[]> {
  const entries = await readdir(layout.dir, { withFileTypes: true }).catch((thrown: unknown) => {
    if (errnoOf(thrown) === "ENOENT") return [];
    throw thrown;
  });
  const names: NameEntry[] = [];
  for (const entry of entries) {
    if (entry.name === OBJECTS || entry.name === DORMANT || entry.name.startsWith(".")) continue;
    if (!entry.isSymbolicLink()) names.push({ name: entry.name, objectId: undefined });
    else {
      const target = await linkText(join(layout.dir, entry.name));
      if (target !== undefined) names.push({ name: entry.name, objectId: objectIdOf(target) });
    }
  }
  return names.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The one name an object goes by. A rename that was cut short leaves two; a canonical name counts before `.new`,
 * and `.new` before `.old`, so that nothing looks further along than it was proved to be.
 */
export function bestName(names: readonly string[]): string | undefined {
  return names.toSorted((a, b) => rank(a) - rank(b))[0];
}

function rank(name: string): number {
  if (name.endsWith(SLOT_SUFFIX.old)) return 2;
  return name.endsWith(SLOT_SUFFIX.new) ? 1 : 0;
}

export async function namesOf(layout: FleetLayout, objectId: string): Promise<readonly string[]> {
  return (await listNames(layout)).filter((entry) => entry.objectId === objectId).map((entry) => entry.name);
}

/** False when the name is held, by whomever. Left-overs of a killed process are cleared away first. */
export async function takeName(
  layout: FleetLayout,
  name: string,
  objectId: string,
  randomId: () => string,
): Promise<boolean> {
  if (await tryLink(layout, name, objectId)) return true;
  return (await reclaim(layout, name, randomId)) && (await tryLink(layout, name, objectId));
}

async function tryLink(layout: FleetLayout, name: string, objectId: string): Promise<boolean> {
  try {
    await symlink(linkTarget(objectId), layout.name(name));
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === "EEXIST") return false;
    throw thrown;
  }
}

/** Removes a name, but only while it stands for this object. */
export async function dropName(layout: FleetLayout, name: string, objectId: string): Promise<void> {
  const target = await linkText(layout.name(name));
  if (target === linkTarget(objectId)) await unlessMissing(unlink(layout.name(name)));
}

/** Frees a name that no runtime stands behind any more. */
export async function reclaim(layout: FleetLayout, name: string, randomId: () => string): Promise<boolean> {
  const seen = await deadTarget(layout, name);
  if (seen === undefined) return false;
  // Moving away is atomic: of two that try, one gets it; then it shows whether it is what was judged.
  const aside = join(layout.dir, `.reclaim-${randomId()}`);
  if ((await unlessMissing(rename(layout.name(name), aside).then(() => true))) === undefined) return true;
  const moved = await readlink(aside);
  if (moved !== seen) await symlink(moved, layout.name(name)).catch(() => undefined);
  await unlessMissing(unlink(aside));
  return moved === seen;
}

/** What a link holds; undefined where there is none, or something else. */
async function linkText(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (thrown) {
    if (["ENOENT", "ENOTDIR", "EINVAL"].includes(errnoOf(thrown) ?? "")) return undefined;
    throw thrown;
  }
}

/** The link text of a name that may be taken away; undefined where it may not. */
async function deadTarget(layout: FleetLayout, name: string): Promise<string | undefined> {
  const target = await linkText(layout.name(name));
  const objectId = target === undefined ? undefined : objectIdOf(target);
  if (target === undefined || objectId === undefined) return undefined;
  if (await objectExists(layout, objectId)) {
    const rest = await namesOf(layout, objectId);
    const blank = await isBlank(layout.object(objectId));
    return blank || bestName(rest) !== name ? target : undefined;
  }
  return (await hasLiveCreator(layout, objectId)) ? undefined : target;
}

export async function objectExists(layout: FleetLayout, objectId: string): Promise<boolean> {
  return (await unlessMissing(lstat(layout.object(objectId))))?.isDirectory() ?? false;
}

/** Neither manifest nor labels: nothing says whose this is, or ever will. A file that is there but unreadable is not blank. */
export async function isBlank(objectDir: string): Promise<boolean> {
  for (const file of [MANIFEST, LABELS]) {
    if ((await unlessMissing(lstat(join(objectDir, file)))) !== undefined) return false;
  }
  return true;
}

async function hasLiveCreator(layout: FleetLayout, objectId: string): Promise<boolean> {
  for (const entry of (await unlessMissing(readdir(layout.objects))) ?? []) {
    const [, id, creator] = STAGING.exec(entry) ?? [];
    if (id !== objectId || creator === undefined) continue;
    if (await isAtWork(creator, join(layout.objects, entry))) return true;
  }
  // The creator may have finished between the two looks.
  return objectExists(layout, objectId);
}
