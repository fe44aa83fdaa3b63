/** Tar headers whose names are bytes: what no text can say keeps its name on the way. */
import type { BytePath } from "./byte-path.ts";
import { bytesOf } from "./byte-path.ts";

export const TAR_BLOCK = 512;
/** Two empty blocks. */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK);

export interface TarHead {
  readonly path: BytePath;
  readonly kind: "file" | "folder" | "link";
  /** Permission bits. */
  readonly mode: number;
  /** Bytes of contents that follow; files only. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly uid: number;
  readonly gid: number;
  /** Where a link leads. */
  readonly target?: BytePath;
}

const TYPE = { file: "0", link: "2", folder: "5", longLink: "K", longName: "L" } as const;

const NAME = 100;
const LARGEST_OCTAL = 0o77777777777;

/** All blocks that stand before the contents; names too long for one come as GNU's own entries, which every tar reads. */
export function tarHeader(head: TarHead): Buffer {
  const name = head.kind === "folder" ? `${head.path}/` : head.path;
  const { target = "" } = head;
  const before = [
    ...(target.length > NAME ? [longText(TYPE.longLink, target)] : []),
    ...(name.length > NAME ? [longText(TYPE.longName, name)] : []),
  ];
  const block = headerBlock(name, TYPE[head.kind], { ...head, target });
  return before.length === 0 ? block : Buffer.concat([...before, block]);
}

/** What fills up contents of this many bytes to a whole block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);
}

function longText(type: string, text: BytePath): Buffer {
  const size = text.length + 1;
  const facts = { mode: 0o644, size, mtime: 0, uid: 0, gid: 0, target: "" };
  const bytes = Buffer.concat([bytesOf(text), Buffer.alloc(1)]);
  return Buffer.concat([headerBlock("././@LongLink", type, facts), bytes, tarPadding(size)]);
}

type Facts = Omit<TarHead, "path" | "kind"> & { readonly target: BytePath };

function headerBlock(name: BytePath, type: string, facts: Facts): Buffer {
  // From the pool: a buffer of its own for each costs more than all that is written into it.
  const block = Buffer.allocUnsafe(TAR_BLOCK).fill(0);
  block.write(name.slice(0, NAME), 0, "latin1");
  number(block, 100, 8, facts.mode & 0o7777);
  number(block, 108, 8, facts.uid);
  number(block, 116, 8, facts.gid);
  number(block, 124, 12, type === TYPE.link || type === TYPE.folder ? 0 : facts.size);
  number(block, 136, 12, Math.max(0, Math.floor(facts.mtime)));
  block.fill(" ", 148, 156);
  block.write(type, 156, "latin1");
  block.write(facts.target.slice(0, NAME), 157, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  let sum = 0;
  for (let at = 0; at < TAR_BLOCK; at += 1) sum += block[at] ?? 0;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Octal; what is too large for it in base 256, as GNU writes it. */
function number(block: Buffer, at: number, length: number, value: number): void {
  const octal = value.toString(8);
  if (value <= LARGEST_OCTAL && octal.length < length) {
    block.write(`${octal.padStart(length - 1, "0")}\0`, at, "latin1");
    return;
  }
  let rest = BigInt(value);
  for (let each = at + length - 1; each > at; each -= 1, rest >>= 8n) block[each] = Number(rest & 0xffn);
  block[at] = 0x80;
}
