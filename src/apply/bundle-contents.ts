/**
 * In: what a removal would destroy, and what of it is to be kept. Out: one tar archive of it, with modes, owners, times
 * and links as they were. Nothing is held in memory but names of what is left out; what cannot be kept is an error.
 */
import { posix } from "node:path";
import { PassThrough } from "node:stream";
import type { ReadEntry } from "tar";
import type { SalvagePart, SalvageSource } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { SalvageSettings } from "../model/salvage.ts";
import type { BundleManifest, SkippedFile } from "../model/salvage-bundle.ts";
import { TOO_LARGE } from "../model/salvage.ts";
import { pathMatcher } from "../util/path-pattern.ts";
import { eachEntry } from "../util/tar-entries.ts";
import type { TarEntry } from "./tar-file.ts";
import { TarFile } from "./tar-file.ts";

export type Contents = Pick<BundleManifest, "files" | "bytes" | "tar" | "deleted" | "skipped"> & {
  /** False when there was nothing to keep. */
  readonly worthKeeping: boolean;
};

export async function writeContents(
  file: string,
  source: SalvageSource,
  settings: SalvageSettings,
  signal: AbortSignal,
): Promise<Contents> {
  const [included, excluded] = await Promise.all([
    pathMatcher(settings.include),
    pathMatcher(settings.exclude),
  ]);
  const wanted = (path: string): boolean => included(path) && !excluded(path);
  await using tar = await TarFile.create(file);
  const deleted = source.deleted.filter((path) => wanted(path));
  const writer = new ContentsWriter(tar, source, wanted, settings, signal);
  for (const part of source.parts) {
    // Below an unwanted folder there may be wanted files, but not below an excluded one.
    if (!excluded(part.path)) await writer.copy(part, (path) => !excluded(path));
  }
  await writer.copyLinked();
  const { files, bytes, skipped, worthKeeping } = writer;
  return {
    files,
    bytes,
    deleted,
    skipped,
    tar: await tar.end(),
    worthKeeping: worthKeeping || deleted.length > 0,
  };
}

const FILES: ReadonlySet<string> = new Set(["File", "OldFile", "ContiguousFile"]);

class ContentsWriter {
  files = 0;
  bytes = 0;
  worthKeeping = false;
  readonly skipped: SkippedFile[] = [];
  readonly #tar: TarFile;
  readonly #source: SalvageSource;
  readonly #wanted: (path: string) => boolean;
  readonly #settings: SalvageSettings;
  readonly #signal: AbortSignal;
  /** Folders that are there only because something in them changed. */
  readonly #incidental: ReadonlySet<string>;
  /** Files that are other names of files which are left out. */
  readonly #linked: string[] = [];

  constructor(
    tar: TarFile,
    source: SalvageSource,
    wanted: (path: string) => boolean,
    settings: SalvageSettings,
    signal: AbortSignal,
  ) {
    this.#tar = tar;
    this.#source = source;
    this.#wanted = wanted;
    this.#settings = settings;
    this.#signal = signal;
    const held = [...source.parts.map((part) => part.path), ...source.deleted];
    this.#incidental = new Set(held.map((path) => posix.dirname(path)));
  }

  async copy(part: SalvagePart, open: (path: string) => boolean): Promise<void> {
    this.#signal.throwIfAborted();
    const stream = await this.#source.open(part.path, open);
    const stop = (): void => void stream.destroy(new Error("given up"));
    this.#signal.addEventListener("abort", stop, { once: true });
    try {
      await eachEntry(stream, part.path, async (entry) => {
        const path = pathOf(entry.path, part.path);
        if (belongs(path, part) && this.#wanted(path)) await this.#take(entry, path, part);
        else entry.resume();
        return part.take === "self" ? "enough" : "more";
      });
    } finally {
      this.#signal.removeEventListener("abort", stop);
    }
  }

  /** Another name of a file that is left out is a file of its own. */
  async copyLinked(): Promise<void> {
    for (const path of this.#linked) await this.copy({ path, take: "self", without: [] }, () => true);
  }

  async #take(entry: ReadEntry, path: string, part: SalvagePart): Promise<void> {
    const common = {
      path: path.slice(1),
      mode: (entry.mode ?? 0o600) & 0o7777,
      uid: entry.uid ?? 0,
      gid: entry.gid ?? 0,
      mtime: entry.mtime ?? new Date(0),
      size: 0,
    };
    if (FILES.has(entry.type)) return this.#takeFile(entry, path, common);
    entry.resume();
    if (entry.type === "Directory") {
      if (part.take !== "self" || !this.#incidental.has(path)) this.worthKeeping = true;
      return this.#tar.begin({ ...common, path: `${common.path}/`, type: "Directory" });
    }
    if (entry.type === "SymbolicLink") {
      this.#count(0);
      return this.#tar.begin({ ...common, type: "SymbolicLink", linkpath: entry.linkpath ?? "" });
    }
    if (entry.type !== "Link") {
      this.skipped.push({ path, bytes: 0, why: `it is no file but a ${entry.type}` });
      return;
    }
    const target = pathOf(entry.linkpath ?? "", part.path);
    const kept = belongs(target, part) && this.#wanted(target) && !this.#isSkipped(target);
    if (!kept) return void this.#linked.push(path);
    this.#count(0);
    return this.#tar.begin({ ...common, type: "Link", linkpath: target.slice(1) });
  }

  async #takeFile(entry: ReadEntry, path: string, common: Omit<TarEntry, "type">): Promise<void> {
    const { size } = entry;
    const { max_bytes: most, oversize } = this.#settings;
    if (most !== "unlimited" && this.bytes + size > most) {
      if (oversize === "fail") throw tooLarge(most);
      this.skipped.push({ path, bytes: size, why: "it does not fit into max_bytes" });
      this.worthKeeping = true;
      entry.resume();
      return;
    }
    await this.#tar.begin({ ...common, size, type: "File" });
    // Piped, since only an entry that flows tells its stream that there is room again.
    for await (const chunk of entry.pipe(new PassThrough())) await this.#tar.write(Buffer.from(chunk));
    await this.#tar.pad();
    this.#count(size);
  }

  #isSkipped(path: string): boolean {
    return this.skipped.some((each) => each.path === path);
  }

  #count(bytes: number): void {
    this.files += 1;
    this.bytes += bytes;
    this.worthKeeping = true;
  }
}

/** Names in a stream begin with the last part of the path that was asked for. */
function pathOf(name: string, asked: string): string {
  const [, ...rest] = posix.normalize(name).replace(/\/$/, "").split("/");
  if (!rest.includes("..")) return posix.join(asked, ...rest);
  throw new SandkeepError(`the archive of ${asked} holds ${JSON.stringify(name)}, which lies elsewhere`, {
    code: "ARCHIVE_PATH",
    blame: "backend",
  });
}

function belongs(path: string, part: SalvagePart): boolean {
  if (part.without.some((mount) => path === mount || path.startsWith(`${mount}/`))) return false;
  return part.take === "self" ? path === part.path : part.take === "tree" || path !== part.path;
}

function tooLarge(most: number): SandkeepError {
  return new SandkeepError(`what was written inside is more than the ${most} bytes of salvage.max_bytes`, {
    code: TOO_LARGE,
    hint: 'raise sandbox.salvage.max_bytes, exclude caches, set oversize = "truncate", or give --no-salvage',
  });
}
