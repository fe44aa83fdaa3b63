/** Removal of object folders, and of what killed processes left behind. */
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { chmod, open, readdir, rename, rm, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { SandkeepError } from "../../errors.ts";
import { errnoOf, unlessMissing } from "../../util/errno.ts";
import { isAtWork } from "./creator.ts";
import type { FleetLayout } from "./layout.ts";
import { isObjectId } from "./layout.ts";
import { listNames, reclaim, STAGING } from "./names.ts";

const TRASH = ".trash-";

/** Takes a folder of `objects/` out of sight in one step, then deletes it. A folder that is gone is fine. */
export async function discard(layout: FleetLayout, folder: string, randomId: () => string): Promise<void> {
  const trash = join(layout.objects, `${TRASH}${randomId()}`);
  const moved = await unlessMissing(rename(join(layout.objects, folder), trash).then(() => true));
  if (moved === true) await deleteTree(trash);
}

/** Clears what no living process is still making and no name stands for. */
export async function sweep(layout: FleetLayout, randomId: () => string): Promise<void> {
  // Objects first: a finished object had its name before it appeared here.
  const folders = (await unlessMissing(readdir(layout.objects))) ?? [];
  const named = await namedIds(layout);
  for (const folder of folders) {
    const [, , creator] = STAGING.exec(folder) ?? [];
    const path = join(layout.objects, folder);
    if (folder.startsWith(TRASH)) await deleteTree(path);
    else if (creator !== undefined && !(await isAtWork(creator, path)))
      await discard(layout, folder, randomId);
    // A second look: a listing taken during a rename may have shown neither the old name nor the new one.
    else if (isObjectId(folder) && !named.has(folder) && !(await namedIds(layout)).has(folder)) {
      await discard(layout, folder, randomId);
    }
  }
  const present = new Set((await unlessMissing(readdir(layout.objects))) ?? []);
  for (const entry of await listNames(layout)) {
    if (entry.objectId !== undefined && !present.has(entry.objectId)) {
      await reclaim(layout, entry.name, randomId);
    }
  }
}

async function namedIds(layout: FleetLayout): Promise<ReadonlySet<string | undefined>> {
  return new Set((await listNames(layout)).map((entry) => entry.objectId));
}

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** Linux O_PATH, which node does not name: a handle to a folder that we may not read. */
const O_PATH = 0o10000000;
/** Levels below which folders are moved up first, so that depth never exhausts the open files. */
const MAX_DEPTH = 48;

interface Deletion {
  readonly root: FileHandle;
  readonly device: number;
  moved: number;
}

/**
 * Deletes a folder and all below it. Every level is reached through an open handle of its parent, so a link that
 * a running command swaps in is removed and never followed, and a mount inside stops the deletion.
 */
async function deleteTree(path: string): Promise<void> {
  if (process.platform !== "linux") return rm(path, { recursive: true, force: true });
  const root = await unlessMissing(openDirectory(path));
  if (root === undefined) return;
  try {
    await empty(root, { root, device: (await root.stat()).dev, moved: 0 }, 0);
  } finally {
    await root.close();
  }
  await unlessMissing(rmdir(path));
}

async function openDirectory(path: string): Promise<FileHandle> {
  try {
    return await open(path, DIRECTORY);
  } catch (thrown) {
    if (errnoOf(thrown) !== "EACCES") throw thrown;
    const handle = await open(path, DIRECTORY | O_PATH);
    try {
      await chmod(`/proc/self/fd/${handle.fd}`, 0o700);
    } finally {
      await handle.close();
    }
    return open(path, DIRECTORY);
  }
}

async function empty(directory: FileHandle, deletion: Deletion, depth: number): Promise<void> {
  const here = `/proc/self/fd/${directory.fd}`;
  const { mode, dev } = await directory.stat();
  if (dev !== deletion.device) throw mounted();
  // Tools leave read-only folders behind (module caches); their owner may still empty them.
  if ((mode & 0o700) !== 0o700) await directory.chmod(0o700);
  let names = await readdir(here);
  while (names.length > 0) {
    for (const name of names) await removeEntry(`${here}/${name}`, deletion, depth);
    names = await readdir(here);
  }
}

async function removeEntry(path: string, deletion: Deletion, depth: number): Promise<void> {
  const isDirectory = await unlink(path).then(
    () => false,
    (thrown: unknown) => {
      const errno = errnoOf(thrown);
      if (errno === "ENOENT") return false;
      if (errno === "EISDIR" || errno === "EPERM") return true;
      throw thrown;
    },
  );
  if (!isDirectory) return;
  const child = await unlessMissing(openDirectory(path));
  if (child === undefined) return;
  try {
    if (depth < MAX_DEPTH) await empty(child, deletion, depth + 1);
    else {
      await child.chmod(0o700);
      deletion.moved += 1;
      await rename(path, `/proc/self/fd/${deletion.root.fd}/.deep-${deletion.moved}-${process.pid}`);
      return;
    }
  } finally {
    await child.close();
  }
  await unlessMissing(rmdir(path));
}

function mounted(): SandkeepError {
  return new SandkeepError(
    "a file system is mounted inside the runtime's folder; nothing below it was deleted",
    {
      code: "LOCAL_MOUNTED",
      hint: "unmount it, then run the command again",
    },
  );
}
