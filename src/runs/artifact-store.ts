import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import type { Readable } from "node:stream";
import { toError } from "../errors.ts";
import type { RunArtifacts } from "../model/artifacts.ts";
import { errnoOf } from "../util/errno.ts";
import { StreamMask } from "../util/secret-mask.ts";
import { artifactsFolder } from "./layout.ts";

/** More is no result that anybody looks at. */
const MOST_FILES = 10_000;
/** So many of those left out are named. */
const NAMED = 50;
/** These are about the disk, and no file after this one would fare better. */
const FATAL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS", "EIO"]);

/** A file that is to be kept, read once. */
export interface Found {
  /** Relative to the workspace, with forward slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly executable: boolean;
  /** The content, at most `bytes` of it. */
  readonly open: () => Readable;
}

/** Artifacts on their way into a run's folder: there as a whole, or not at all. */
export class ArtifactStore implements AsyncDisposable {
  readonly #folder: string;
  readonly #making: string;
  readonly #limits: { readonly mostBytes: number; readonly secrets: readonly string[] };
  readonly #leftOut: { path: string; why: string }[] = [];
  #files = 0;
  #bytes = 0;
  #left = 0;

  constructor(
    runFolder: string,
    limits: { readonly mostBytes: number; readonly secrets: readonly string[] },
  ) {
    this.#folder = artifactsFolder(runFolder);
    this.#making = `${this.#folder}.partial`;
    this.#limits = limits;
  }

  leaveOut(path: string, why: string): void {
    this.#left += 1;
    if (this.#leftOut.length < NAMED) this.#leftOut.push({ path, why });
  }

  /** True when it is wanted; whoever gets false need not read it. */
  hasRoom({ path, bytes }: Pick<Found, "path" | "bytes">): boolean {
    const why =
      this.#files >= MOST_FILES
        ? `there are ${MOST_FILES} files already`
        : this.#bytes + bytes > this.#limits.mostBytes
          ? `its ${bytes} bytes do not fit into runs.max_artifacts`
          : undefined;
    if (why !== undefined) this.leaveOut(path, why);
    return why === undefined;
  }

  /** Rejects only for what concerns all that come after it. */
  async take(found: Found): Promise<void> {
    const target = join(this.#making, ...found.path.split("/"));
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      const written = await this.#write(target, found);
      if (written === undefined) return this.leaveOut(found.path, "it holds a secret");
      this.#files += 1;
      this.#bytes += written;
    } catch (thrown) {
      const code = errnoOf(thrown) ?? "";
      await rm(target, { force: true }).catch(() => undefined);
      if (FATAL.has(code)) throw thrown;
      this.leaveOut(found.path, code === "" ? toError(thrown).message : code);
    }
  }

  /** Bytes written; undefined when what was written is a secret, and was deleted again. */
  async #write(target: string, found: Found): Promise<number | undefined> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    await using file = await open(target, flags, found.executable ? 0o700 : 0o600);
    const mask = new StreamMask(this.#limits.secrets);
    const [plain, masked] = [createHash("sha256"), createHash("sha256")];
    let bytes = 0;
    for await (const chunk of found.open()) {
      const data = Buffer.from(chunk).subarray(0, found.bytes - bytes);
      bytes += data.length;
      plain.update(data);
      masked.update(mask.push(data));
      await file.writeFile(data);
    }
    masked.update(mask.end());
    if (plain.digest("hex") === masked.digest("hex")) return bytes;
    await rm(target);
    return undefined;
  }

  /** In their place from here on. */
  async finish(globs: readonly string[], error: string | null): Promise<RunArtifacts> {
    if (this.#files > 0) await rename(this.#making, this.#folder);
    const left_out = this.#leftOut.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    return {
      globs: [...globs],
      file_count: this.#files,
      bytes: this.#bytes,
      left_out,
      left_out_count: this.#left,
      error,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#making, { recursive: true, force: true });
  }
}

/** A relative path without tricks, or undefined. */
export function plainPath(parts: readonly string[]): string | undefined {
  const strange = parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0"));
  return strange || parts.length === 0 ? undefined : posix.join(...parts);
}
