/**
 * In: a command that has ended, and globs. Out: what it left in the workspace, copied into the run's folder. No link is
 * followed, sizes are bounded, and a file that holds a secret stays where it is. How a run ended is never changed by it.
 */
import type { Dirent } from "node:fs";
import { constants, createReadStream } from "node:fs";
import { lstat, open, readdir, readlink, realpath, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { eachEntry } from "../util/tar-entries.ts";
import type { Driver } from "../drivers/driver.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import { hasKind, toError } from "../errors.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import type { ListedArtifact, RunArtifacts } from "../model/artifacts.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import { isMissing, unlessMissing } from "../util/errno.ts";
import { getPath } from "../util/json-path.ts";
import { stageTree } from "../util/stage-place.ts";
import type { ArtifactGlobs } from "./artifact-globs.ts";
import { artifactGlobs } from "./artifact-globs.ts";
import { ArtifactStore, plainPath } from "./artifact-store.ts";
import { artifactsFolder } from "./layout.ts";

/** Where a command's files are. */
export type ArtifactPlace =
  /** A folder of this machine. */
  | { readonly at: "folder"; readonly folder: string }
  /** A folder of a runtime, by the driver. */
  | { readonly at: "runtime"; readonly driver: Driver; readonly objectId: string; readonly folder: string };

export interface ArtifactRequest {
  readonly globs: readonly string[];
  readonly place: ArtifactPlace;
  readonly runFolder: string;
  readonly mostBytes: number;
  /** Values that no file may hold. */
  readonly secrets: readonly string[];
  /** Never part of a workspace. */
  readonly stateDir: string;
}

/** A workspace of this machine is read where it is, with staged writes the agent's own copy; any other through the driver. */
export function placeOfRuntime(
  driver: Driver,
  host: string | undefined,
  runtime: ObservedRuntime,
  stateDir: string,
): ArtifactPlace {
  const { values } = runtime.labels.spec;
  const [provider, source, target] = ["provider", "source", "target"].map((key) =>
    getPath(values, `workspace.${key}`),
  );
  const here = (provider === "bind" || provider === "link") && (host ?? THIS_HOST) === THIS_HOST;
  const staged = getPath(values, "writes") === "staged";
  if (here && typeof source === "string")
    return { at: "folder", folder: staged ? stageTree(stateDir, runtime.labels) : source };
  const folder = typeof target === "string" ? target : "/workspace";
  return { at: "runtime", driver, objectId: runtime.object_id, folder };
}

/** Rejects never: what failed is told in the answer. */
export async function collectArtifacts(request: ArtifactRequest): Promise<RunArtifacts> {
  const { globs, place, runFolder, mostBytes, secrets } = request;
  await using store = new ArtifactStore(runFolder, { mostBytes, secrets });
  try {
    const wanted = await artifactGlobs(globs);
    if (place.at === "folder") await fromFolder(place.folder, wanted, store, request.stateDir);
    else await fromRuntime(place, wanted, store);
    return await store.finish(globs, null);
  } catch (thrown) {
    return await store.finish(globs, toError(thrown).message);
  }
}

async function fromFolder(
  folder: string,
  wanted: ArtifactGlobs,
  store: ArtifactStore,
  stateDir: string,
): Promise<void> {
  const root = await realpath(folder);
  const own = (await unlessMissing(realpath(stateDir))) ?? stateDir;
  const waiting: string[] = [];
  for (const base of wanted.bases) {
    const kind = await kindAt(root, base);
    if (kind === "directory") waiting.push(base);
    if (kind === "file" && wanted.matches(base)) await takeFile(root, base, store);
    if (kind === "link") store.leaveOut(base, "it is, or lies behind, a link");
  }
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    for (const entry of await entriesOf(join(root, below))) {
      const path = posix.join(below, entry.name);
      if (entry.isDirectory()) {
        const inside = wanted.matches(path) || wanted.mayHold(path);
        if (inside && join(root, path) !== own) waiting.push(path);
      } else if (!wanted.matches(path)) continue;
      else if (entry.isFile()) await takeFile(root, path, store);
      else store.leaveOut(path, entry.isSymbolicLink() ? "it is a link" : "it is no file");
    }
  }
}

/** Sorted, so that the same workspace gives the same artifacts where not all fit. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = (await unlessMissing(readdir(folder, { withFileTypes: true }))) ?? [];
  return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** No part of the way may be a link. */
async function kindAt(root: string, path: string): Promise<"file" | "directory" | "link" | undefined> {
  let at = root;
  let kind: "file" | "directory" | undefined = "directory";
  for (const part of path === "" ? [] : path.split("/")) {
    at = join(at, part);
    const found = await unlessMissing(lstat(at));
    if (found?.isSymbolicLink() === true) return "link";
    kind = found?.isDirectory() === true ? "directory" : found?.isFile() === true ? "file" : undefined;
    if (kind === undefined) return undefined;
  }
  return kind;
}

async function takeFile(root: string, path: string, store: ArtifactStore): Promise<void> {
  const at = join(root, path);
  // A pipe must not make it wait.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let file;
  try {
    file = await open(at, flags);
  } catch (thrown) {
    if (!isMissing(thrown)) store.leaveOut(path, toError(thrown).message);
    return;
  }
  await using handle = file;
  const seen = await handle.stat();
  // Somebody inside may put a link in the place of a folder at any time: what counts is what was opened.
  if (!seen.isFile() || (await pathOf(handle.fd, at)) !== at)
    return store.leaveOut(path, "it is no longer the file that was found");
  if (!store.hasRoom({ path, bytes: seen.size })) return;
  await store.take({
    path,
    bytes: seen.size,
    executable: (seen.mode & 0o100) !== 0,
    // Somebody may go on writing to it for ever.
    open: () =>
      seen.size === 0
        ? Readable.from([])
        : createReadStream(at, { fd: handle, autoClose: false, start: 0, end: seen.size - 1 }),
  });
}

/** Where an open file really is. */
async function pathOf(fd: number, path: string): Promise<string> {
  return process.platform === "linux" ? await readlink(`/proc/self/fd/${fd}`) : await realpath(path);
}

const FILES: ReadonlySet<string> = new Set(["File", "OldFile", "ContiguousFile"]);

async function fromRuntime(
  { driver, objectId, folder }: Extract<ArtifactPlace, { at: "runtime" }>,
  wanted: ArtifactGlobs,
  store: ArtifactStore,
): Promise<void> {
  for (const base of wanted.bases) {
    const asked = posix.join(folder, base);
    const tar = await unlessNotFound(driver.getFiles(objectId, asked));
    if (tar === undefined) continue;
    await eachEntry(tar, asked, async (entry) => {
      const names = posix.normalize(entry.path).replace(/\/$/, "").split("/").slice(1);
      const path = plainPath([...(base === "" ? [] : base.split("/")), ...names]);
      if (path === undefined || entry.type === "Directory" || !wanted.matches(path)) {
        entry.resume();
        return "more";
      }
      const file = FILES.has(entry.type);
      if (!file)
        store.leaveOut(path, entry.type === "SymbolicLink" ? "it is a link" : `it is a ${entry.type}`);
      if (file && store.hasRoom({ path, bytes: entry.size })) {
        const executable = ((entry.mode ?? 0) & 0o100) !== 0;
        const content = new PassThrough();
        // One that was given up on the way ends nothing but itself.
        content.on("error", () => undefined);
        await store.take({ path, bytes: entry.size, executable, open: () => entry.pipe(content) });
        entry.unpipe(content);
      }
      entry.resume();
      return "more";
    });
  }
}

async function unlessNotFound<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (thrown) {
    if (hasKind(thrown, "not-found")) return undefined;
    throw thrown;
  }
}

/** What a run's folder holds of them, sorted by path. */
export async function listArtifacts(runFolder: string): Promise<ListedArtifact[]> {
  const folder = artifactsFolder(runFolder);
  const entries = (await unlessMissing(readdir(folder, { recursive: true, withFileTypes: true }))) ?? [];
  const files = entries.filter((entry) => entry.isFile());
  const all = files.map(async (entry) => {
    const at = join(entry.parentPath, entry.name);
    return { path: at.slice(folder.length + 1), bytes: (await stat(at)).size };
  });
  return (await Promise.all(all)).toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** One line for people, or undefined where nothing needs to be said. */
export function artifactsNote({ artifacts }: RunManifest): string | undefined {
  if (artifacts === null) return undefined;
  const { error, left_out_count, left_out } = artifacts;
  if (error !== null) return `artifacts could not all be kept: ${error}`;
  const [first] = left_out;
  if (first === undefined) return undefined;
  const many =
    left_out_count === 1 ? "an artifact was left out" : `${left_out_count} artifacts were left out`;
  return `${many}: ${first.path}, since ${first.why}; \`sandkeep runs artifacts\` names what was`;
}
