/** One header of a tar archive whose names are bytes, and what stands before it: pure, and nobody trusts what it reads. */
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "./byte-path.ts";
import { TAR_BLOCK } from "./tar-header.ts";

/** `second`: another name of a file that came before. `other`: a device, a pipe, or what nobody knows. */
export type TarKind = "file" | "folder" | "link" | "second" | "other";

const KINDS: Readonly<Record<string, TarKind>> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "1": "second",
  "2": "link",
  "5": "folder",
};

export interface ReadHead {
  readonly path: BytePath;
  readonly mode: number;
  readonly size: number;
  /** Letter of the format: what comes before an entry has one as well. */
  readonly type: string;
  readonly kind: TarKind;
  readonly target: BytePath;
}

/** What is told before an entry, and counts instead of what its own header says. */
export interface Said {
  readonly path?: BytePath;
  readonly target?: BytePath;
  readonly size?: number;
}

/** Longer than any path can be. */
const LONGEST_TEXT = 1024 * 1024;

/** Bytes that a text of this size takes up in whole blocks. */
export function paddedText(size: number, what: string): number {
  if (size <= LONGEST_TEXT) return Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  throw brokenTar(what, "a name in it is longer than any path");
}

/** Throws for a block that is no header. */
export function readHead(block: Buffer, what: string): ReadHead {
  const text = (at: number, length: number): BytePath => upToNul(block.subarray(at, at + length));
  let sum = 8 * 0x20;
  for (let at = 0; at < TAR_BLOCK; at += 1) if (at < 148 || at >= 156) sum += block[at] ?? 0;
  if (sum !== numberIn(block, 148, 8)) throw brokenTar(what, "one of its headers is damaged");
  // GNU's own format has other things where the prefix would be.
  const prefix = block.toString("latin1", 257, 263) === "ustar\0" ? text(345, 155) : "";
  const name = text(0, 100);
  const type = block.toString("latin1", 156, 157);
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    mode: numberIn(block, 100, 8) & 0o7777,
    size: numberIn(block, 124, 12),
    type,
    kind: KINDS[type] ?? "other",
    target: text(157, 100),
  };
}

export function upToNul(bytes: Buffer): BytePath {
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

/** Of `<length> <key>=<value>\n` again and again. */
export function paxOf(bytes: Buffer, what: string): Said {
  const said: { path?: BytePath; target?: BytePath; size?: number } = {};
  const text = bytes.toString("latin1");
  for (let at = 0; at < text.length;) {
    const [, length = "", key = ""] = /^(\d{1,9}) ([^=]+)=/.exec(text.slice(at, at + 300)) ?? [];
    const end = at + Number(length);
    if (length === "" || end <= at || text[end - 1] !== "\n")
      throw brokenTar(what, "a text in it is damaged");
    const value = text.slice(at + length.length + key.length + 2, end - 1);
    if (key === "path") said.path = value;
    if (key === "linkpath") said.target = value;
    if (key === "size" && /^\d{1,15}$/.test(value)) said.size = Number(value);
    at = end;
  }
  return said;
}

export function brokenTar(what: string, why: string): SandkeepError {
  return new SandkeepError(`the archive of ${what} cannot be read: ${why}`, {
    code: "ARCHIVE_CUT",
    kind: "transient",
    blame: "backend",
    hint: "try again",
  });
}
