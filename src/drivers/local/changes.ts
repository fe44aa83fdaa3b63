/**
 * In: a runtime's folder. Out: what its removal would destroy, told or handed out: its home, its tmp, and its workspace
 * where that is its own. Damaged manifests are no obstacle, since what they describe may be all that is left.
 */
import { lstat, readdir } from "node:fs/promises";
import { basename, dirname, join, posix, relative } from "node:path";
import type { Readable } from "node:stream";
import { PassThrough } from "node:stream";
import type { RuntimeChanges } from "../../model/observed.ts";
import { MOST_CHANGED_PATHS } from "../../model/observed.ts";
import { errnoOf, unlessMissing } from "../../util/errno.ts";
import type { SalvageSource } from "../driver.ts";
import { SANDBOX_HOME } from "./bubblewrap.ts";
import type { LocalContext } from "./context.ts";
import { locate } from "./context.ts";
import { notFound, toLocalError } from "./errors.ts";
import { readManifest } from "./manifest.ts";
import { readLocalSpec } from "./spec.ts";

/** A plan need not count every file of a cache. */
const MOST_COUNTED = 100_000;
const WORKSPACE = "/workspace";

interface Own {
  readonly folder: string;
  /** Where commands find it. */
  readonly at: string;
}

async function belongings(context: LocalContext, objectId: string): Promise<readonly Own[] | undefined> {
  const found = await locate(context, objectId);
  if (found === undefined) return undefined;
  const { dir } = found;
  const manifest = await readManifest(dir, objectId);
  const spec = manifest === undefined ? undefined : readLocalSpec((path) => manifest.fields[path]);
  const candidates = [
    { folder: join(dir, "home"), at: SANDBOX_HOME },
    { folder: join(dir, "tmp"), at: "/tmp" },
    { folder: join(dir, "workspace"), at: spec?.workspace.target ?? WORKSPACE },
  ];
  const own: Own[] = [];
  for (const each of candidates) {
    // A workspace that is a link is somebody's own folder and stays.
    if ((await unlessMissing(lstat(each.folder)))?.isDirectory() === true) own.push(each);
  }
  return own;
}

interface Count {
  bytes: number;
  files: number;
  seen: number;
  more: boolean;
}

export async function changes(context: LocalContext, objectId: string): Promise<RuntimeChanges | undefined> {
  const all = await belongings(context, objectId);
  if (all === undefined) return undefined;
  const count: Count = { bytes: 0, files: 0, seen: 0, more: false };
  const paths: string[] = [];
  for (const { folder, at } of all) {
    for (const { name, isDirectory } of await countFolder(folder, count)) {
      paths.push(posix.join(at, name) + (isDirectory ? "/" : ""));
    }
  }
  const { bytes, files, more } = count;
  return { bytes, files, deleted: 0, paths: paths.toSorted().slice(0, MOST_CHANGED_PATHS), more };
}

/** Adds up a folder; what goes away meanwhile does not count, and what may not be read is told as more. */
async function countFolder(
  folder: string,
  count: Count,
): Promise<readonly { readonly name: string; readonly isDirectory: boolean }[]> {
  const entries = await readable(folder, count);
  for (const entry of entries) {
    count.seen += 1;
    if (count.seen > MOST_COUNTED) {
      count.more = true;
      break;
    }
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const below = await countFolder(path, count);
      if (below.length === 0) count.files += 1;
      continue;
    }
    const stat = await unlessMissing(lstat(path));
    if (stat === undefined) continue;
    count.files += 1;
    if (stat.isFile()) count.bytes += stat.size;
  }
  return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
}

async function readable(folder: string, count: Count) {
  try {
    return (await unlessMissing(readdir(folder, { withFileTypes: true }))) ?? [];
  } catch (thrown) {
    if (errnoOf(thrown) !== "EACCES") throw thrown;
    count.more = true;
    return [];
  }
}

export async function salvage(context: LocalContext, objectId: string): Promise<SalvageSource | undefined> {
  const all = await belongings(context, objectId);
  if (all === undefined) return undefined;
  return {
    parts: all.map(({ at }) => ({ path: at, take: "below", without: [] })),
    deleted: [],
    open: async (path, wanted) => {
      const own = all.find(({ at }) => path === at || path.startsWith(`${at}/`));
      if (own === undefined) throw notFound(objectId);
      return pack(join(own.folder, posix.relative(own.at, path)), path, wanted);
    },
  };
}

/** Links are packed as links, so nothing outside the folder is read. */
async function pack(folder: string, at: string, wanted: (path: string) => boolean): Promise<Readable> {
  const { create } = await import("tar");
  const cwd = dirname(folder);
  const top = basename(folder);
  const output = new PassThrough();
  const inside = (path: string): string => relative(top, posix.normalize(path));
  const source = create(
    {
      cwd,
      filter: (path) => inside(path) === "" || wanted(join(at, inside(path))),
      onWriteEntry: (entry) => {
        // A workspace is called differently outside; the stream speaks of the runtime's own names.
        entry.path = join(basename(at), inside(entry.path));
        if (entry.type === "Link") entry.linkpath = join(basename(at), inside(entry.linkpath ?? ""));
      },
    },
    [`./${top}`],
  );
  source.on("error", (thrown: unknown) => output.destroy(toLocalError(thrown, `read ${at}`)));
  source.pipe(output);
  return output;
}
