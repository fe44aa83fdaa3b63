/**
 * Bundles of what removed runtimes held: `<fleet>/salvage/<address>-<time>-<object id>/{manifest.json,files.tar}`.
 * A bundle appears with one rename, when all of it is on disk, and disappears with one: half a bundle is never found.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { SandkeepError } from "../errors.ts";
import type { BundleManifest } from "../model/salvage-bundle.ts";
import { bundleManifestSchema } from "../model/salvage-bundle.ts";
import { syncDirectory } from "../util/durable-file.ts";
import { unlessMissing } from "../util/errno.ts";
import { encodeFileName } from "../util/file-name.ts";
import type { FleetState } from "./directory.ts";
import { listNames, makeDirectory, readJson, stateError, writeJson } from "./files.ts";

const MANIFEST = "manifest.json";
const FILES = "files.tar";
/** In the making, or on its way out: no bundle. */
export const STAGING = ".staging-";
const SHORT_ID = 12;

export interface Bundle {
  readonly manifest: BundleManifest;
  readonly path: string;
}

export interface Bundles {
  /** Newest first. */
  readonly whole: readonly Bundle[];
  /** Folders that hold no whole bundle. */
  readonly damaged: readonly string[];
}

function directory(state: FleetState): string {
  return join(state.dir, "salvage");
}

export function filesOf({ path }: Pick<Bundle, "path">): string {
  return join(path, FILES);
}

export async function listBundles(state: FleetState): Promise<Bundles> {
  const whole: Bundle[] = [];
  const damaged: string[] = [];
  for (const name of await listNames(directory(state))) {
    if (name.startsWith(STAGING)) continue;
    const path = join(directory(state), name);
    const manifest = await readJson(join(path, MANIFEST), bundleManifestSchema, "report", undefined);
    const size = (await unlessMissing(stat(filesOf({ path }))))?.size;
    if (manifest !== undefined && manifest.tar.bytes === size) whole.push({ manifest, path });
    else damaged.push(path);
  }
  return { whole: whole.toSorted((a, b) => compare(b.manifest, a.manifest)), damaged };
}

function compare(a: BundleManifest, b: BundleManifest): number {
  return a.id < b.id ? -1 : Number(a.id > b.id);
}

/** The bundle of that id, or the only one whose id begins so. */
export async function findBundle(state: FleetState, id: string): Promise<Bundle> {
  const { whole } = await listBundles(state);
  const exact = whole.find(({ manifest }) => manifest.id === id);
  const [first, ...more] = whole.filter(({ manifest }) => id !== "" && manifest.id.startsWith(id));
  if (exact !== undefined) return exact;
  if (first !== undefined && more.length === 0) return first;
  throw new SandkeepError(
    first === undefined ? `there is no bundle ${id}` : `${id} stands for several bundles`,
    { code: "BUNDLE_UNKNOWN", hint: "see `sandkeep salvage list`", exitCode: 64 },
  );
}

/** A folder in the making; what a killed process left of one is cleared by `sweepBundles`. */
export async function stageBundle(state: FleetState): Promise<string> {
  const path = join(directory(state), `${STAGING}${randomBytes(8).toString("hex")}`);
  await makeDirectory(path);
  return path;
}

/** Only for the fleet's single writer: nobody else is making a bundle then. */
export async function sweepBundles(state: FleetState): Promise<void> {
  for (const name of await listNames(directory(state))) {
    if (name.startsWith(STAGING)) await drop(join(directory(state), name));
  }
}

type Unnamed = Omit<BundleManifest, "format_version" | "id" | "created_at">;

/** Makes a staged folder a bundle. Of the same contents of the same object the bundle that is there stays the only one. */
export async function finishBundle(
  state: FleetState,
  staged: string,
  about: Unnamed,
  now: number,
): Promise<Bundle> {
  const { whole } = await listBundles(state);
  const same = whole.find(({ manifest }) => isSame(manifest, about));
  if (same !== undefined) {
    await drop(staged);
    return same;
  }
  const created_at = new Date(now).toISOString();
  const base = `${created_at.replaceAll(/[-:.]/g, "")}-${about.object_id.slice(0, SHORT_ID)}`;
  const taken = new Set(whole.map(({ manifest }) => manifest.id));
  let id = base;
  for (let n = 2; taken.has(id); n += 1) id = `${base}-${n}`;
  const manifest: BundleManifest = { format_version: 1, id, created_at, ...about };
  const path = join(directory(state), `${encodeFileName(about.address)}-${id}`);
  await writeJson(join(staged, MANIFEST), manifest);
  try {
    await syncDirectory(staged);
    await rename(staged, path);
    await syncDirectory(directory(state));
  } catch (thrown) {
    throw stateError("finish", path, thrown);
  }
  return { manifest, path };
}

function isSame(manifest: BundleManifest, about: Unnamed): boolean {
  return (
    manifest.object_id === about.object_id &&
    manifest.tar.sha256 === about.tar.sha256 &&
    JSON.stringify([manifest.deleted, manifest.skipped]) === JSON.stringify([about.deleted, about.skipped])
  );
}

export async function removeBundle(state: FleetState, { path }: Pick<Bundle, "path">): Promise<void> {
  const aside = join(directory(state), `${STAGING}${randomBytes(8).toString("hex")}`);
  try {
    await unlessMissing(rename(path, aside));
  } catch (thrown) {
    throw stateError("remove", path, thrown);
  }
  await drop(aside);
}

export async function drop(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (thrown) {
    throw stateError("remove", folder, thrown);
  }
}

export interface Retention {
  readonly keep: number | "all";
  /** Milliseconds. */
  readonly max_age: number | "off";
}

/** Bundles of an address that give way to its newest one, which itself always stays. */
export function outlived(
  whole: readonly Bundle[],
  address: string,
  { keep, max_age }: Retention,
  now: number,
): readonly Bundle[] {
  const [, ...older] = whole.filter(({ manifest }) => manifest.address === address);
  return older.filter(({ manifest }, index) => {
    const age = now - Date.parse(manifest.created_at);
    return (keep !== "all" && index + 1 >= keep) || (max_age !== "off" && age > max_age);
  });
}

/** Throws when the files are not those that were written. */
export async function verifyBundle(bundle: Bundle): Promise<void> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(filesOf(bundle)), hash);
  } catch (thrown) {
    throw stateError("read", filesOf(bundle), thrown);
  }
  if (hash.digest("hex") === bundle.manifest.tar.sha256) return;
  throw new SandkeepError(`the files of bundle ${bundle.manifest.id} are not those that were written`, {
    code: "BUNDLE_DAMAGED",
    hint: `look at ${filesOf(bundle)} by hand`,
  });
}
