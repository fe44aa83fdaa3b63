import type { Stats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { unlessMissing } from "../../util/errno.ts";

/** How a path of the workspace was just before it was sent. */
export interface SentPath {
  readonly size: number;
  readonly mode: number;
  /** Milliseconds; of the inode, so that no later change can hide. */
  readonly ctimeMs: number;
  readonly mtimeMs: number;
  readonly ino: number;
  readonly folder: boolean;
}

export type Baseline = ReadonlyMap<string, SentPath>;

/** Folders looked into at once. */
const BATCH = 16;

/** Every path below a folder, links not followed. */
export async function takeBaseline(root: string): Promise<Baseline> {
  const found = new Map<string, SentPath>();
  let folders = [""];
  while (folders.length > 0) {
    const batch = folders.slice(0, BATCH);
    const inner = await Promise.all(batch.map((folder) => lookInto(root, folder, found)));
    folders = [...folders.slice(BATCH), ...inner.flat()];
  }
  return found;
}

async function lookInto(root: string, folder: string, found: Map<string, SentPath>): Promise<string[]> {
  const names = (await unlessMissing(readdir(join(root, folder)))) ?? [];
  const folders: string[] = [];
  for (const name of names) {
    const path = folder === "" ? name : `${folder}/${name}`;
    const stat = await unlessMissing(lstat(join(root, path)));
    if (stat === undefined) continue;
    found.set(path, sentPath(stat));
    if (stat.isDirectory()) folders.push(path);
  }
  return folders;
}

function sentPath(stat: Stats): SentPath {
  const { size, mode, ctimeMs, mtimeMs, ino } = stat;
  return { size, mode: mode & 0o7777, ctimeMs, mtimeMs, ino, folder: stat.isDirectory() };
}

/** True while nobody here has touched the path since it was sent. A folder changes with each of its entries, and stays one. */
export async function isAsSent(root: string, path: string, sent: SentPath): Promise<boolean> {
  const stat = await unlessMissing(lstat(join(root, path)));
  if (stat === undefined) return false;
  if (sent.folder) return stat.isDirectory() && stat.ino === sent.ino;
  return stat.ino === sent.ino && stat.ctimeMs === sent.ctimeMs;
}
