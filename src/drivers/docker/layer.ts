import { posix } from "node:path";
import type { SalvagePart } from "../driver.ts";
import type { MadeContainer } from "./wire-container.ts";

/** One line of the engine's answer: a path of the writable layer and what became of it since the image. */
export interface LayerChange {
  readonly path: string;
  readonly kind: "changed" | "added" | "deleted";
}

/** What a container's writable layer holds, without what is only there to be mounted on. */
export interface Layer {
  readonly files: number;
  /** Topmost added and changed paths, sorted; one that ends in `/` stands for all below. */
  readonly paths: readonly string[];
  readonly deleted: readonly string[];
  /** How to fetch all of it in as few pieces as it has topmost paths. */
  readonly pieces: readonly SalvagePart[];
}

/** The engine's own init is mounted here. */
const INIT = "/sbin/docker-init";

/** Where something else is mounted: the engine makes these folders, and what lies below is not the layer's. */
export function mountTargets(container: MadeContainer): string[] {
  const tmpfs = Object.keys(container.HostConfig.Tmpfs);
  const init = container.HostConfig.Init ? [INIT] : [];
  return [...init, ...tmpfs, ...container.Mounts.map((mount) => mount.Destination)];
}

export function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder === "/" ? folder : `${folder}/`);
}

/** Pure: an engine lists in no order that can be relied on. */
export function readLayer(changes: readonly LayerChange[], mounts: readonly string[]): Layer {
  const kept = withoutMounts(changes, mounts);
  const kinds = new Map(kept.map(({ path, kind }) => [path, kind]));
  const parents = parentsOf(kept);
  const isAdded = (path: string): boolean => kinds.get(path) === "added";
  const pieces: SalvagePart[] = [];
  const paths: string[] = [];
  let files = 0;
  for (const { path, kind } of kept.toSorted((a, b) => compare(a.path, b.path))) {
    if (kind === "deleted") continue;
    const isLeaf = !parents.has(path);
    if (isLeaf) files += 1;
    const without = mounts.filter((mount) => isBelow(mount, path));
    const inAdded = isAdded(posix.dirname(path));
    if (isAdded(path) && !inAdded) pieces.push({ path, take: "tree", without });
    if (kind === "changed") pieces.push({ path, take: "self", without: [] });
    // A folder of the image in which something changed is named by what changed.
    if (isAdded(path) ? !inAdded : isLeaf) paths.push(isLeaf ? path : `${path}/`);
  }
  const deleted = kept.filter(({ kind }) => kind === "deleted").map(({ path }) => path);
  return { files, paths, deleted: deleted.toSorted(compare), pieces };
}

/** Leaves out mounts, what is below them, and folders that hold nothing but mounts. */
function withoutMounts(changes: readonly LayerChange[], mounts: readonly string[]): LayerChange[] {
  const own = changes.filter(
    ({ path }) => path !== "/" && !mounts.some((mount) => path === mount || isBelow(path, mount)),
  );
  const ways = new Set(mounts.flatMap((mount) => waysTo(mount)));
  const held = parentsOf(own.filter(({ path }) => !ways.has(path)));
  return own.filter(({ path, kind }) => kind === "deleted" || !ways.has(path) || held.has(path));
}

function parentsOf(changes: readonly LayerChange[]): Set<string> {
  return new Set(changes.flatMap(({ path }) => waysTo(path)));
}

/** All folders above a path, but for the root. */
function waysTo(path: string): string[] {
  const found: string[] = [];
  for (let at = posix.dirname(path); at !== "/" && at !== "."; at = posix.dirname(at)) found.push(at);
  return found;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
