import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";

/** Of every file that holds what only its owner may read. */
export const PRIVATE_FILE = 0o600;

/** Write, fsync, rename: readers see the old file or the new one, also after a crash. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const { default: writeFileAtomic } = await import("write-file-atomic");
  await writeFileAtomic(path, text, { mode: PRIVATE_FILE, fsync: true });
  await syncDirectory(dirname(path));
}

/** A rename is durable only once its directory is. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
