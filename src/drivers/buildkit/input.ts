/**
 * In: a command's input. Out: files that hold it, each of what a worker takes as one secret: so nothing of it is in a layer,
 * in the cache or on the worker's disk. A build gets all it is given at its start, so it is read to its end.
 */
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { SandkeepError } from "../../errors.ts";

/** A secret has at most 500 KiB. */
const PART = 480 * 1024;
/** The worker holds it in memory. */
const MOST_PARTS = 32;

/** Names of files in the folder, in their order; none of an empty input. */
export async function takeInput(
  stdin: Readable | undefined,
  folder: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (stdin === undefined) return [];
  const parts = new Parts(folder);
  await pipeline(stdin, parts, { signal });
  return parts.files;
}

/** One file after the other, each full but the last. */
class Parts extends Writable {
  readonly files: string[] = [];
  readonly #folder: string;
  #file: Writable | undefined;
  #left = 0;

  constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#take(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#end().then(() => done(), done);
  }

  async #take(chunk: Buffer): Promise<void> {
    for (let rest = chunk; rest.length > 0;) {
      if (this.#left === 0) await this.#next();
      const piece = rest.subarray(0, this.#left);
      rest = rest.subarray(piece.length);
      this.#left -= piece.length;
      await new Promise<void>((resolve, reject) =>
        this.#file?.write(piece, (error) => (error ? reject(error) : resolve())),
      );
    }
  }

  async #next(): Promise<void> {
    await this.#end();
    if (this.files.length === MOST_PARTS) throw tooLong();
    const name = `input-${this.files.length}`;
    this.#file = createWriteStream(join(this.#folder, name), { mode: 0o600 });
    this.files.push(name);
    this.#left = PART;
  }

  async #end(): Promise<void> {
    const file = this.#file;
    if (file !== undefined) await new Promise<void>((resolve) => file.end(() => resolve()));
  }
}

function tooLong(): SandkeepError {
  const most = (PART * MOST_PARTS) / 1024 / 1024;
  return new SandkeepError(`the command's input is longer than a build is given (${most} MiB)`, {
    code: "BUILDKIT_INPUT_TOO_LONG",
    kind: "terminal",
    hint: "put it into a file of the workspace, and let the command read that",
  });
}
