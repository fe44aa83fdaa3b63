/**
 * Reads a tar stream whose names are bytes. In: the stream, which nobody trusts. Out: its entries in order, each with its
 * contents, which are read, or passed over, before the next one comes. An archive that ends before its end is an error.
 */
import type { Readable } from "node:stream";
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "./byte-path.ts";
import { TAR_BLOCK } from "./tar-header.ts";

export interface ReadTarEntry {
  /** As it is written, but for slashes at its end. */
  readonly path: BytePath;
  /** `second`: another name of a file that came before. `other`: a device, a pipe, or what nobody knows. */
  readonly kind: "file" | "folder" | "link" | "second" | "other";
  readonly mode: number;
  /** Bytes of contents. */
  readonly size: number;
  /** Where a link leads, or what a second name is one of. */
  readonly target: BytePath;
  readonly contents: AsyncIterable<Buffer>;
}

const KINDS: Readonly<Record<string, ReadTarEntry["kind"]>> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "1": "second",
  "2": "link",
  "5": "folder",
};

/** Longer than any path can be. */
const LONGEST_TEXT = 1024 * 1024;

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
    const text = async (): Promise<Buffer> => await bytes.exactly(checked(head.size, what), head.size);
    if (head.type === "x") said = { ...said, ...paxOf(await text()) };
    else if (head.type === "L") said = { ...said, path: upToNul(await text()) };
    else if (head.type === "K") said = { ...said, target: upToNul(await text()) };
    else if (head.type === "g") await text();
    else {
      const size = said.size ?? head.size;
      const kind = KINDS[head.type] ?? "other";
      const contents = bytes.part(kind === "file" || kind === "other" ? size : 0);
      const path = (said.path ?? head.path).replace(/\/+$/, "");
      yield { path, kind, mode: head.mode, size, target: said.target ?? head.target, contents };
      await bytes.pass();
      said = {};
    }
  }
}

interface Said {
  readonly path?: BytePath;
  readonly target?: BytePath;
  readonly size?: number;
}

function checked(size: number, what: string): number {
  if (size <= LONGEST_TEXT) return Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  throw broken(what, "a name in it is longer than any path");
}

function readHead(block: Buffer, what: string) {
  const text = (at: number, length: number): BytePath => upToNul(block.subarray(at, at + length));
  let sum = 8 * 0x20;
  for (const [at, byte] of block.entries()) if (at < 148 || at >= 156) sum += byte;
  if (sum !== numberIn(block, 148, 8)) throw broken(what, "one of its headers is damaged");
  // GNU's own format has other things where the prefix would be.
  const prefix = block.toString("latin1", 257, 263) === "ustar\0" ? text(345, 155) : "";
  const name = text(0, 100);
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    mode: numberIn(block, 100, 8) & 0o7777,
    size: numberIn(block, 124, 12),
    type: block.toString("latin1", 156, 157),
    target: text(157, 100),
  };
}

function upToNul(bytes: Buffer): BytePath {
  const end = bytes.indexOf(0);
  return bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
}

function numberIn(block: Buffer, at: number, length: number): number {
  if (((block[at] ?? 0) & 0x80) !== 0) {
    let value = BigInt((block[at] ?? 0) & 0x7f);
    for (const byte of block.subarray(at + 1, at + length)) value = (value << 8n) | BigInt(byte);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
  }
  const value = Number.parseInt(upToNul(block.subarray(at, at + length)).trim() || "0", 8);
  return Number.isSafeInteger(value) ? value : 0;
}

/** `<length> <key>=<value>\n` again and again. */
function paxOf(bytes: Buffer): Said {
  const said: { path?: BytePath; target?: BytePath; size?: number } = {};
  const text = bytes.toString("latin1");
  for (let at = 0; at < text.length;) {
    const [, length = "", key = ""] = /^(\d{1,9}) ([^=]+)=/.exec(text.slice(at, at + 300)) ?? [];
    const end = at + Number(length);
    if (length === "" || end <= at) return said;
    const value = text.slice(at + length.length + key.length + 2, end - 1);
    if (key === "path") said.path = value;
    if (key === "linkpath") said.target = value;
    if (key === "size" && /^\d{1,15}$/.test(value)) said.size = Number(value);
    at = end;
  }
  return said;
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
    while (this.#held.length < count) if (!(await this.#more())) throw broken(this.#what, "it was cut off");
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
      if (this.#held.length === 0 && !(await this.#more())) throw broken(this.#what, "it was cut off");
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

function broken(what: string, why: string): SandkeepError {
  return new SandkeepError(`the archive of ${what} cannot be read: ${why}`, {
    code: "ARCHIVE_CUT",
    kind: "transient",
    blame: "backend",
    hint: "try again",
  });
}
