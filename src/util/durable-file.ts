/** Files that are there whole or not at all, whatever becomes of the process or the machine. */
import { randomInt } from "node:crypto";
import {
  closeSync,
  constants,
  fchownSync,
  fsync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { errnoOf } from "./errno.ts";

/** Of every file that holds what only its owner may read. */
export const PRIVATE_FILE = 0o600;

const MOST = 2 ** 32;
const synced = promisify(fsync);

/** Of a file that is written, until it has its name: the name, and a number. */
export const DRAFT = /^(.+)\.\d{1,10}$/;

/** Those that are being written, which an exit meanwhile does not leave. */
const drafts = new Set<string>();

function clear(): void {
  for (const draft of drafts) rmSync(draft, { force: true });
}

/**
 * Write, fsync, rename: readers see the old file or the new one, also after a crash. Of two that write the same file at once
 * either may be the last. What the system answers at once is asked for at once, for handing it to another thread takes ten
 * times as long; only what waits for the disk is handed over.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  await replace(path, text, synced);
  await syncDirectory(dirname(path));
}

/** Readers see the old file or the new one while the machine runs; after its crash the file may be empty. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await replace(path, text, async () => undefined);
}

/** What making a link answers where the file system knows none. */
const NO_LINK: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

/** As `writeWhole`, of a file that is not there: unless it is by now, or the file system knows no links. */
export function writeNew(path: string, text: string): "made" | "there" | "impossible" {
  const { draft, file } = openDraft(path);
  try {
    try {
      writeFileSync(file, text);
    } finally {
      closeSync(file);
    }
    linkSync(draft, path);
    return "made";
  } catch (thrown) {
    const errno = errnoOf(thrown) ?? "";
    if (errno === "EEXIST") return "there";
    if (NO_LINK.has(errno)) return "impossible";
    throw thrown;
  } finally {
    rmSync(draft, { force: true });
    dropDraft(draft);
  }
}

async function replace(path: string, text: string, settle: (file: number) => Promise<void>): Promise<void> {
  const { draft, file } = openDraft(path);
  try {
    try {
      keepOwner(file, path);
      writeFileSync(file, text);
      await settle(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (thrown) {
    rmSync(draft, { force: true });
    throw thrown;
  } finally {
    dropDraft(draft);
  }
}

function openDraft(path: string): { readonly draft: string; readonly file: number } {
  const draft = `${path}.${randomInt(MOST)}`;
  const file = openSync(draft, "wx", PRIVATE_FILE);
  if (drafts.size === 0) process.once("exit", clear);
  drafts.add(draft);
  return { draft, file };
}

function dropDraft(draft: string): void {
  drafts.delete(draft);
  if (drafts.size === 0) process.off("exit", clear);
}

/** What root writes in the place of a user's file stays the user's. */
function keepOwner(file: number, path: string): void {
  if (process.getuid?.() !== 0) return;
  const before = lstatSync(path, { throwIfNoEntry: false });
  if (before?.isFile() === true && before.uid !== 0) fchownSync(file, before.uid, before.gid);
}

/** A rename is durable only once its directory is. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await synced(directory);
  } finally {
    closeSync(directory);
  }
}
