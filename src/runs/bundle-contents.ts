/**
 * In: a bundle's folder or its tar. Out: what is in it, by path. Nothing is unpacked and no link is followed; sizes are
 * bounded before anything is read.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join, posix } from "node:path";
import type { Readable } from "node:stream";
import type { BundleArtifact } from "../model/bundle.ts";

export const MANIFEST = "manifest.json";
/** More is no evidence that anybody looks at, but an attempt to keep somebody busy. */
const MOST_ENTRIES = 100_000;
const MOST_BYTES = 64 * 1024 ** 3;
const MOST_MANIFEST_BYTES = 64 * 1024 ** 2;

export interface Entry {
  /** `other` is all that a bundle never has: links, devices, sockets. */
  readonly kind: "file" | "directory" | "other";
  readonly bytes: number;
  /** Reads a file's content; only for files. */
  readonly sha256: () => Promise<string>;
}

export interface Contents {
  readonly entries: ReadonlyMap<string, Entry>;
  /** Undefined where there is none, or one of no reasonable size. */
  readonly manifest: string | undefined;
  /** Why not all of it was looked at. */
  readonly refused: string | undefined;
}

async function digest(stream: Readable): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(Buffer.from(chunk));
  return hash.digest("hex");
}

export async function folderContents(folder: string): Promise<Contents> {
  const entries = new Map<string, Entry>();
  let bytes = 0;
  const waiting = [""];
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    for (const name of (await readdir(join(folder, below))).toSorted()) {
      const path = posix.join(below, name);
      const stat = await lstat(join(folder, path));
      const kind = stat.isFile() ? "file" : stat.isDirectory() ? "directory" : "other";
      bytes += kind === "file" ? stat.size : 0;
      if (entries.size >= MOST_ENTRIES || bytes > MOST_BYTES) return refusing(entries, path);
      entries.set(path, {
        kind,
        bytes: kind === "file" ? stat.size : 0,
        sha256: async () => digest(createReadStream(join(folder, path), { end: Math.max(0, stat.size - 1) })),
      });
      if (kind === "directory") waiting.push(path);
    }
  }
  const own = entries.get(MANIFEST);
  const readable = own?.kind === "file" && own.bytes <= MOST_MANIFEST_BYTES;
  const manifest = readable ? await textOf(createReadStream(join(folder, MANIFEST))) : undefined;
  return { entries, manifest, refused: undefined };
}

function refusing(entries: ReadonlyMap<string, Entry>, path: string): Contents {
  const refused = `at ${path} it grows beyond ${MOST_ENTRIES} entries or ${MOST_BYTES} bytes`;
  return { entries, manifest: undefined, refused };
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

/** Of a compressed file nobody knows how large it becomes. */
const COMPRESSED = new Set([0x1f, 0x28, 0x42, 0xfd]);

/** The one folder that an archive holds is left out of the paths. A bundle's archive is never compressed. */
export async function archiveContents(file: string): Promise<Contents> {
  const { Parser } = await import("tar");
  const entries = new Map<string, Entry>();
  let manifest: string | undefined;
  let refused: string | undefined;
  const parser = new Parser({ strict: true });
  const reading: Promise<string>[] = [];
  parser.on("entry", (entry) => {
    const { path, strange } = placeIn(entries, entry.path);
    if (entries.size >= MOST_ENTRIES) refused ??= `it has more than ${MOST_ENTRIES} entries`;
    if (refused !== undefined) {
      entry.resume();
      return;
    }
    const plain = entry.type === "File" ? "file" : entry.type === "Directory" ? "directory" : "other";
    const kind = strange ? "other" : plain;
    const hash = createHash("sha256");
    const kept: Buffer[] = [];
    const keep = path === MANIFEST && kind === "file" && entry.size <= MOST_MANIFEST_BYTES;
    entry.on("data", (chunk: Buffer) => {
      hash.update(chunk);
      if (keep) kept.push(chunk);
    });
    const whole = new Promise<string>((resolve) => entry.on("end", () => resolve(hash.digest("hex"))));
    reading.push(whole);
    if (keep) entry.on("end", () => (manifest = Buffer.concat(kept).toString("utf8")));
    entries.set(path, { kind, bytes: entry.size, sha256: () => whole });
  });
  parser.on("error", (error: unknown) => {
    refused ??= String(error);
  });
  let first = true;
  for await (const chunk of createReadStream(file)) {
    const data = Buffer.from(chunk);
    if (first && COMPRESSED.has(data[0] ?? 0)) refused = "it is compressed";
    first = false;
    if (refused !== undefined) return { entries, manifest: undefined, refused };
    parser.write(data);
  }
  parser.end();
  await Promise.all(reading);
  entries.delete(ROOT);
  return { entries, manifest, refused };
}

/** The archive's own folder, while it is read. */
const ROOT = "";

/**
 * Without the archive's own folder. Strange is what lies outside it, and a second entry of one name, which would hide the
 * first from whoever unpacks it; both keep their full name, which no manifest holds.
 */
function placeIn(
  entries: ReadonlyMap<string, Entry>,
  full: string,
): { readonly path: string; readonly strange: boolean } {
  const [own = "", ...rest] = full.replace(/\/$/, "").split("/");
  const path = rest.join("/");
  const inside = RUN_FOLDER.test(own) && rest.every((part) => part !== "" && part !== "." && part !== "..");
  return inside && !entries.has(path)
    ? { path, strange: false }
    : { path: `${full} (again or outside)`, strange: true };
}

/** What the folder of a bundle is called: by its run. */
const RUN_FOLDER = /^[\w-][\w.-]*$/;

/** What a manifest says of each file and directory; a directory's hash is of its tree, whatever order a disk lists it in. */
export async function metadataOf(entries: ReadonlyMap<string, Entry>): Promise<BundleArtifact[]> {
  const found: BundleArtifact[] = [];
  for (const path of [...entries.keys()].toSorted()) {
    if (path === MANIFEST) continue;
    const artifact = await artifactAt(entries, path);
    if (artifact !== undefined) found.push(artifact);
  }
  return found;
}

export async function artifactAt(
  entries: ReadonlyMap<string, Entry>,
  path: string,
  hashed = true,
): Promise<BundleArtifact | undefined> {
  const entry = entries.get(path);
  if (entry === undefined || entry.kind === "other") return undefined;
  if (entry.kind === "file") {
    const sha256 = hashed ? { sha256: await entry.sha256() } : {};
    return { path, kind: "file", bytes: entry.bytes, file_count: 1, ...sha256 };
  }
  const below = [...entries]
    .filter(([each]) => each.startsWith(`${path}/`))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const files = below.filter(([, { kind }]) => kind === "file");
  const bytes = files.reduce((sum, [, each]) => sum + each.bytes, 0);
  const hash = createHash("sha256");
  if (hashed) {
    for (const [each, { kind, sha256 }] of below) {
      const content = kind === "file" ? await sha256() : kind;
      hash.update(`${each.slice(path.length + 1)}\0${content}\n`);
    }
  }
  const sha256 = hashed ? { sha256: hash.digest("hex") } : {};
  return { path, kind: "directory", bytes, file_count: files.length, ...sha256 };
}
