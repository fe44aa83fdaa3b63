import type { FileHandle } from "node:fs/promises";
import { open, rename } from "node:fs/promises";
import type { RunLog } from "../model/run-manifest.ts";
import { PRIVATE_FILE } from "../util/durable-file.ts";
import { errnoOf } from "../util/errno.ts";
import type { TimeIndex } from "./time-index.ts";

/** So much may wait for a slow disk; then the command waits. */
const MOST_WAITING = 1024 * 1024;
/** Given back where a disk is full, so that the end of the run can still be written down. */
const SPARE = 64 * 1024;

/** What a full current file is renamed to; the one before it goes. */
export function earlierPart(path: string): string {
  return `${path}.1`;
}

/**
 * One stream of a run on disk, as it comes. At most `limit` bytes are kept in two files: the current one, and an earlier
 * part. A failing disk ends the log and nothing else: the command goes on, and what was lost is counted.
 */
export class LogFile implements AsyncDisposable {
  readonly #path: string;
  readonly #half: number;
  readonly #times: TimeIndex;
  /** Made with the first byte: a stream that says nothing has no file. */
  #handle: FileHandle | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  /** Bytes of the current file. */
  #size = 0;
  #earlier = 0;
  #bytes = 0;
  #dropped = 0;
  #lost = 0;
  #error: string | null = null;

  constructor(path: string, limit: number, times: TimeIndex) {
    this.#path = path;
    this.#half = Math.max(1, Math.floor(limit / 2));
    this.#times = times;
  }

  /** Whoever writes much waits for `room` in between. */
  append(data: Buffer): void {
    if (data.length === 0) return;
    this.#times.mark(this.#bytes);
    this.#bytes += data.length;
    if (this.#error !== null) {
      this.#lost += data.length;
      return;
    }
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    this.#writing ??= this.#write();
  }

  /** Undefined when there is room for more; else settles once there is. Never rejects. */
  get room(): Promise<void> | undefined {
    return this.#waitingBytes > MOST_WAITING ? this.#writing : undefined;
  }

  /** What stands in the files once nothing waits any more. */
  get told(): RunLog {
    return { bytes: this.#bytes, dropped: this.#dropped, lost: this.#lost, error: this.#error };
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0 && this.#error === null) {
      const pieces = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      const data = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
      await this.#writeOut(data);
    }
    this.#writing = undefined;
  }

  async #writeOut(data: Buffer): Promise<void> {
    let done = 0;
    try {
      while (done < data.length) {
        const handle = await this.#current();
        const length = Math.min(data.length - done, this.#half - this.#size);
        const { bytesWritten } = await handle.write(data, done, length);
        done += bytesWritten;
        this.#size += bytesWritten;
      }
      await this.#times.flush();
    } catch (thrown) {
      await this.#giveUp(thrown, data.length - done);
    }
  }

  /** The current file, with room for at least one more byte. */
  async #current(): Promise<FileHandle> {
    const before = this.#handle;
    if (before !== undefined && this.#size < this.#half) return before;
    if (before !== undefined) {
      await rename(this.#path, earlierPart(this.#path));
      this.#dropped += this.#earlier;
      this.#earlier = this.#size;
      this.#size = 0;
      this.#times.turned(this.#dropped + this.#earlier);
    }
    const next = await open(this.#path, "a", PRIVATE_FILE);
    this.#handle = next;
    await before?.close();
    return next;
  }

  async #giveUp(thrown: unknown, unwritten: number): Promise<void> {
    this.#error = errnoOf(thrown) ?? "EIO";
    const spare = Math.min(SPARE, this.#size);
    const cut = this.#handle?.truncate(this.#size - spare) ?? Promise.reject(new Error("there is no file"));
    const given = await cut.then(
      () => spare,
      () => 0,
    );
    this.#size -= given;
    this.#lost += given + unwritten + this.#waitingBytes;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#handle?.close().catch(() => undefined);
  }
}
