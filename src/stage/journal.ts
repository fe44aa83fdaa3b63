/**
 * The journal of an apply: what each path of the workspace was and is to be, with all contents of both, kept outside the
 * workspace before anything there is touched. With it an apply that was cut short is finished, or undone.
 *
 *     <stage>/apply/     journal.json  before/<n>  after/<n>     under way
 *     <stage>/applied/<id>/  the same, done: what `--reverse` takes back
 */
import { closeSync, constants, fsyncSync, mkdirSync, openSync, writeSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { SandkeepError } from "../errors.ts";
import { makeDirectory, readJson, readText, writeJson } from "../state/files.ts";
import type { BytePath } from "../util/byte-path.ts";
import { syncDirectory } from "../util/durable-file.ts";
import { createHash } from "node:crypto";
import type { TreeEntry } from "../util/file-tree.ts";
import { chunksOf } from "../util/file-tree.ts";
import type { FolderHandle } from "../util/folder-handle.ts";
import { inParent } from "../util/folder-handle.ts";

const savedSchema = z.strictObject({
  kind: z.enum(["file", "folder", "link"]),
  mode: z.int(),
  size: z.number(),
  /** Of a file's contents. */
  sha256: z.string().nullable(),
  target: z.string().nullable(),
  /** Owner to give it; null leaves what the workspace's own folder says. */
  owner: z.strictObject({ uid: z.int(), gid: z.int() }).nullable(),
});
/** One side of a path as the journal has it. */
export type Saved = Readonly<z.infer<typeof savedSchema>>;

const itemSchema = z.strictObject({
  path: z.string(),
  before: savedSchema.nullable(),
  after: savedSchema.nullable(),
});
export type JournalItem = Readonly<z.infer<typeof itemSchema>>;

const journalSchema = z.strictObject({
  v: z.literal(1),
  id: z.string(),
  /**
   * `undoing`: something stood against it halfway, so the workspace is brought back to what it was. `committed`: the
   * workspace was as it is to be; what is done there from now on is somebody else's.
   */
  phase: z.enum(["committing", "committed", "undoing"]),
  /** `reverse` takes an earlier apply back. */
  direction: z.enum(["apply", "reverse"]),
  /** Of a reverse: the apply that it takes back. */
  of: z.string().nullable(),
  at: z.number(),
  items: z.array(itemSchema),
});
export type Journal = Readonly<z.infer<typeof journalSchema>>;

export type Side = "before" | "after";

export const underWay = (dir: string): string => join(dir, "apply");
export const appliedFolder = (dir: string): string => join(dir, "applied");

export function blobPath(folder: string, side: Side, n: number): string {
  return join(folder, side, String(n));
}

/** The journal of what an earlier command left; one that cannot be read stands against everything else. */
export async function unfinished(dir: string): Promise<Journal | undefined> {
  const folder = underWay(dir);
  const journal = await readJournal(folder);
  if (journal !== undefined || (await readText(join(folder, "journal.json"))) === undefined) return journal;
  throw new SandkeepError(
    `an earlier apply is still under way in ${folder}, and its journal is torn or newer`,
    {
      code: "STAGE_DAMAGED",
      hint: `${join(folder, "before")} holds what the workspace had, ${join(folder, "after")} what it was to have: bring back what you need, then remove ${folder}`,
    },
  );
}

/** Undefined where there is none, or where its making was cut short: then nothing was touched. */
export async function readJournal(folder: string): Promise<Journal | undefined> {
  return await readJson(join(folder, "journal.json"), journalSchema, "report", undefined);
}

export async function writeJournal(folder: string, journal: Journal): Promise<void> {
  await writeJson(join(folder, "journal.json"), journal);
}

/** An empty folder for a journal; what an earlier one left unfinished before it touched anything goes. */
export async function newJournalFolder(dir: string): Promise<string> {
  const folder = underWay(dir);
  await unfinished(dir);
  await rm(folder, { recursive: true, force: true });
  await makeDirectory(folder);
  for (const side of ["before", "after"]) mkdirSync(join(folder, side), { mode: 0o700 });
  return folder;
}

/** What was saved is on the disk before the journal says so. */
export async function beginJournal(folder: string, journal: Journal): Promise<void> {
  for (const side of ["before", "after"]) await syncDirectory(join(folder, side));
  await writeJournal(folder, journal);
}

/** Keeps one side of a path: its contents go to the journal's folder. Undefined where it is no longer what it was. */
export function save(
  root: FolderHandle,
  path: BytePath,
  entry: TreeEntry,
  blob: string,
  owner: Saved["owner"],
): Saved | undefined {
  const { kind, mode, target } = entry;
  if (kind === "other") return undefined;
  const plain = { kind, mode, size: 0, sha256: null, target: target ?? null, owner };
  if (kind !== "file") return plain;
  return inParent(root, path, (folder, name) => {
    const hash = createHash("sha256");
    let size = 0;
    const to = openSync(blob, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
    try {
      for (const chunk of chunksOf(folder, name)) {
        hash.update(chunk);
        for (let at = 0; at < chunk.length;) at += writeSync(to, chunk, at);
        size += chunk.length;
      }
      fsyncSync(to);
    } finally {
      closeSync(to);
    }
    return { ...plain, size, sha256: hash.digest("hex") };
  });
}

/** So many applies can be taken back, the newest first. */
const KEPT = 5;

/** From here on it is history that `--reverse` works with. */
export async function keepApplied(dir: string, id: string, earlier: readonly string[]): Promise<void> {
  await makeDirectory(appliedFolder(dir));
  await rename(underWay(dir), join(appliedFolder(dir), id));
  await syncDirectory(appliedFolder(dir));
  await syncDirectory(dir);
  for (const old of earlier.slice(0, Math.max(0, earlier.length + 1 - KEPT)))
    await rm(join(appliedFolder(dir), old), { recursive: true, force: true });
}

export async function dropJournal(dir: string): Promise<void> {
  // The text first: a folder without it is known to mean nothing.
  await rm(join(underWay(dir), "journal.json"), { force: true });
  await syncDirectory(underWay(dir));
  await rm(underWay(dir), { recursive: true, force: true });
}
