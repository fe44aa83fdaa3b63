/**
 * In: what a command changed in its copy of a workspace. Out: the same in the workspace itself. It follows no link on the
 * way to a path, and deletes no folder that holds what the command never saw.
 */
import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import {
  chmod,
  copyFile,
  lchown,
  lstat,
  mkdir,
  readlink,
  rename,
  rmdir,
  symlink,
  unlink,
  utimes,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ReturnedChanges, ReturnedPath } from "../util/returned-changes.ts";
import { errnoOf, unlessMissing } from "../util/errno.ts";

/** Paths that could not be brought back, each with its reason. */
export interface LeftOut {
  readonly path: string;
  readonly why: string;
}

/** Deletions first, so that a file can take a folder's place; then what changed, parents first. */
export async function bringBack(workspace: string, changes: ReturnedChanges): Promise<readonly LeftOut[]> {
  const left: LeftOut[] = changes.skipped.map((path) => ({ path, why: "it is no file, folder or link" }));
  for (const path of changes.deleted) {
    if (await isInside(workspace, dirname(path))) await removePath(join(workspace, path));
  }
  for (const each of changes.changed) {
    const why = await place(workspace, changes.folder, each);
    if (why !== undefined) left.push({ path: each.path, why });
  }
  return left;
}

async function removePath(path: string): Promise<void> {
  const stat = await unlessMissing(lstat(path));
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    await unlessMissing(unlink(path));
    return;
  }
  await rmdir(path).catch((thrown: unknown) => {
    // What the command never saw keeps its folder.
    if (errnoOf(thrown) !== "ENOTEMPTY" && errnoOf(thrown) !== "ENOENT") throw thrown;
  });
}

/** Every folder on the way is one, and no link that leads elsewhere. */
async function isInside(workspace: string, folder: string): Promise<boolean> {
  if (folder === "." || folder === "") return true;
  if (!(await isInside(workspace, dirname(folder)))) return false;
  return (await unlessMissing(lstat(join(workspace, folder))))?.isDirectory() === true;
}

async function place(
  workspace: string,
  folder: string,
  { path, type, mode }: ReturnedPath,
): Promise<string | undefined> {
  if (!(await isInside(workspace, dirname(path)))) return "a folder on its way is none here";
  const at = join(workspace, path);
  const here = await unlessMissing(lstat(at));
  if (type === "folder") {
    if (here?.isDirectory() !== true) {
      await removePath(at);
      await mkdir(at);
      await own(at, undefined, workspace);
    }
    await chmod(at, mode);
    return undefined;
  }
  if (here?.isDirectory() === true) await removePath(at);
  if ((await unlessMissing(lstat(at)))?.isDirectory() === true)
    return "a folder here holds what the command never saw";
  const temporary = join(dirname(at), `.sandkeep-${randomBytes(6).toString("hex")}`);
  try {
    await make(join(folder, path), temporary, type, mode);
    await own(temporary, here, dirname(at));
    // A link in its place is replaced and not followed.
    await rename(temporary, at);
  } catch (thrown) {
    await unlessMissing(unlink(temporary));
    throw thrown;
  }
  return undefined;
}

async function make(from: string, to: string, type: "file" | "link", mode: number): Promise<void> {
  if (type === "link") return await symlink(await readlink(from), to);
  await copyFile(from, to);
  const { atime, mtime } = await lstat(from);
  await chmod(to, mode);
  await utimes(to, atime, mtime);
}

/** A file that root brings back stays its owner's. */
async function own(path: string, before: Stats | undefined, folder: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = before ?? (await lstat(folder));
  await lchown(path, uid, gid);
}
