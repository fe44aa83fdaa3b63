import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { Header, Pax } from "tar";
import { stateError } from "../state/files.ts";
import { PRIVATE_FILE } from "../util/durable-file.ts";

const BLOCK = 512;

/** What is told of one file, folder or link; paths are relative, folders end in a slash. */
export interface TarEntry {
  readonly path: string;
  readonly type: "File" | "Directory" | "SymbolicLink" | "Link";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Date;
  /** Bytes of contents that follow; files only. */
  readonly size: number;
  readonly linkpath?: string;
}

/** A tar archive that is being written: one entry after the other, hashed on its way, never more in memory than a chunk. */
export class TarFile implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #hash = createHash("sha256");
  #bytes = 0;

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  static async create(path: string): Promise<TarFile> {
    try {
      return new TarFile(await open(path, "wx", PRIVATE_FILE), path);
    } catch (thrown) {
      throw stateError("create", path, thrown);
    }
  }

  async begin(entry: TarEntry): Promise<void> {
    const { path, linkpath, size, uid, gid } = entry;
    const header = new Header({ ...entry });
    const block = Buffer.alloc(BLOCK);
    const link = linkpath === undefined ? {} : { linkpath };
    // What does not fit into the fixed fields is said in full before them.
    if (header.encode(block)) await this.write(new Pax({ path, size, uid, gid, ...link }).encode());
    await this.write(block);
  }

  async write(chunk: Buffer): Promise<void> {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    try {
      await this.#handle.writeFile(chunk);
    } catch (thrown) {
      throw stateError("write", this.#path, thrown);
    }
  }

  /** To the next whole block, once all contents of an entry are written. */
  async pad(): Promise<void> {
    const over = this.#bytes % BLOCK;
    if (over !== 0) await this.write(Buffer.alloc(BLOCK - over));
  }

  /** On disk when it returns. */
  async end(): Promise<{ readonly bytes: number; readonly sha256: string }> {
    await this.write(Buffer.alloc(2 * BLOCK));
    try {
      await this.#handle.sync();
    } catch (thrown) {
      throw stateError("write", this.#path, thrown);
    }
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}
