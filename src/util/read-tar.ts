/**
 * Reads a tar stream whose names are bytes. In: the stream, which nobody trusts. Out: its entries in order, each with its
 * contents, which are read, or passed over, before the next one comes. An archive that ends before its end is an error.
 */
import type { Readable } from "node:stream";
import type { BytePath } from "./byte-path.ts";
import type { Said, TarKind } from "./tar-head.ts";
import { brokenTar, paddedText, paxOf, readHead, upToNul } from "./tar-head.ts";
import { TAR_BLOCK } from "./tar-header.ts";

export interface ReadTarEntry {
  /** As it is written, but for slashes at its end. */
  readonly path: BytePath;
  readonly kind: TarKind;
  readonly mode: number;
  /** Bytes of contents. */
  readonly size: number;
  /** Where a link leads, or what a second name is one of. */
  readonly target: BytePath;
  readonly contents: AsyncIterable<Buffer>;
}

export async function* readTar(source: Readable, what: string): AsyncGenerator<ReadTarEntry> {
  const bytes = new Bytes(source, what);
  let said: Said = {};
  for (;;) {
    const block = await bytes.exactly(TAR_BLOCK);
    if (block.every((byte) => byte === 0)) {
      await bytes.drain();
      return;
    }
    const head = readHead(block, what);
    const text = async (): Promise<Buffer> => await bytes.exactly(paddedText(head.size, what), head.size);
    if (head.type === "x") said = { ...said, ...paxOf(await text(), what) };
    else if (head.type === "L") said = { ...said, path: upToNul(await text()) };
    else if (head.type === "K") said = { ...said, target: upToNul(await text()) };
    else if (head.type === "g") await text();
    else {
      const size = said.size ?? head.size;
      const { kind } = head;
      const contents = bytes.part(kind === "file" || kind === "other" ? size : 0);
      const path = (said.path ?? head.path).replace(/\/+$/, "");
      yield { path, kind, mode: head.mode, size, target: said.target ?? head.target, contents };
      await bytes.pass();
      said = {};
    }
  }
}

/** A stream from which so many bytes are taken as are wanted. */
class Bytes {
  readonly #chunks: AsyncIterator<unknown>;
  readonly #what: string;
  #held: Buffer = Buffer.alloc(0);
  #left = 0;
  #padding = 0;

  constructor(source: Readable, what: string) {
    this.#chunks = source[Symbol.asyncIterator]();
    this.#what = what;
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    if (done === true) return false;
    if (Buffer.isBuffer(value))
      this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value]);
    return true;
  }

  /** The first `wanted` of so many bytes. */
  async exactly(count: number, wanted = count): Promise<Buffer> {
    while (this.#held.length < count)
      if (!(await this.#more())) throw brokenTar(this.#what, "it was cut off");
    const taken = this.#held.subarray(0, wanted);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  part(size: number): AsyncIterable<Buffer> {
    this.#left = size;
    this.#padding = (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
    return { [Symbol.asyncIterator]: () => this.#contents() };
  }

  async *#contents(): AsyncGenerator<Buffer> {
    while (this.#left > 0) {
      if (this.#held.length === 0 && !(await this.#more())) throw brokenTar(this.#what, "it was cut off");
      const taken = this.#held.subarray(0, this.#left);
      this.#held = this.#held.subarray(taken.length);
      this.#left -= taken.length;
      if (taken.length > 0) yield taken;
    }
  }

  async pass(): Promise<void> {
    for await (const _ of this.#contents()) void _;
    await this.exactly(this.#padding);
  }

  /** What follows the end is nothing, but its sender waits until it is taken. */
  async drain(): Promise<void> {
    this.#held = Buffer.alloc(0);
    while (await this.#more()) this.#held = Buffer.alloc(0);
  }
}
