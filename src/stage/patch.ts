/**
 * In: differences. Out: one patch that `git apply` takes in the workspace, binary files included, and what such a patch
 * cannot hold. Bytes in, bytes out: no name and no line is ever read as text of some encoding.
 */
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import type { StageExport } from "../model/stage.ts";
import type { BytePath } from "../util/byte-path.ts";
import { bytesOf } from "../util/byte-path.ts";
import { formatBytes } from "../util/bytes.ts";
import type { TreeEntry } from "../util/file-tree.ts";
import { contentsAt } from "../util/file-tree.ts";
import type { FolderHandle } from "../util/folder-handle.ts";
import type { Difference } from "./compare.ts";
import { naming } from "./describe.ts";
import type { Trees } from "./survey.ts";
import { hunksOf } from "./text-diff.ts";

export interface Patch {
  readonly bytes: Buffer;
  readonly files: number;
  readonly left_out: StageExport["left_out"];
}

/** A path as git stores it. */
interface Blob {
  readonly mode: "100644" | "100755" | "120000";
  readonly data: Buffer;
}

export function makePatch(differences: readonly Difference[], trees: Trees): Patch {
  const parts: Buffer[] = [];
  const left_out: StageExport["left_out"] = [];
  let files = 0;
  for (const each of differences) {
    const why = cannotHold(each, differences);
    if (why !== undefined) left_out.push({ ...naming(each.path), why });
    const made = why === undefined || why === ONLY_BITS ? partsOf(each, trees) : [];
    if (made.length > 0) files += 1;
    parts.push(...made);
  }
  return { bytes: Buffer.concat(parts), files, left_out };
}

/** A patch is made as one text. */
const MOST_BYTES = 128 * 1024 * 1024;

const ONLY_BITS = "git keeps of a file's permissions only whether it can be run";

function cannotHold({ path, real, mine }: Difference, all: readonly Difference[]): string | undefined {
  if (path.split("/").includes(".git")) return "git takes nothing inside a .git folder";
  if (real?.kind === "other" || mine?.kind === "other") return "it is a pipe, a socket or a device";
  if (Math.max(real?.size ?? 0, mine?.size ?? 0) > MOST_BYTES)
    return `it is larger than ${formatBytes(MOST_BYTES)}`;
  if (mine?.kind === "folder" && real === undefined)
    return all.some((each) => each.path.startsWith(`${path}/`)) ? undefined : "git keeps no empty folders";
  if (mine?.kind === "folder" && real?.kind === "folder") return "git keeps no permissions of folders";
  if (real?.kind === "folder" && mine === undefined)
    return all.some((each) => each.path.startsWith(`${path}/`)) ? undefined : "git keeps no empty folders";
  if (real?.kind === "file" && mine?.kind === "file") {
    const [a, b] = [real.mode, mine.mode];
    if (a !== b && gitMode(a) === gitMode(b)) return ONLY_BITS;
  }
  if (real === undefined && mine?.kind === "file" && ![0o644, 0o755].includes(mine.mode)) return ONLY_BITS;
  return undefined;
}

function gitMode(mode: number): "100644" | "100755" {
  return (mode & 0o100) === 0 ? "100644" : "100755";
}

function blobOf(root: FolderHandle, path: BytePath, entry: TreeEntry | undefined): Blob | undefined {
  if (entry?.kind === "link") return { mode: "120000", data: bytesOf(entry.target ?? "") };
  if (entry?.kind !== "file") return undefined;
  return { mode: gitMode(entry.mode), data: contentsAt(root, path) ?? Buffer.alloc(0) };
}

function isLink({ mode }: Blob): boolean {
  return mode === "120000";
}

function partsOf({ path, real, mine }: Difference, trees: Trees): Buffer[] {
  const [before, after] = [blobOf(trees.real, path, real), blobOf(trees.mine, path, mine)];
  if (before === undefined && after === undefined) return [];
  // A file that turned into a link is for git one that went and one that came.
  if (before !== undefined && after !== undefined && isLink(before) !== isLink(after))
    return [filePatch(path, before, undefined), filePatch(path, undefined, after)];
  return before !== undefined &&
    after !== undefined &&
    before.mode === after.mode &&
    before.data.equals(after.data)
    ? []
    : [filePatch(path, before, after)];
}

const NO_ID = "0".repeat(40);

function idOf(blob: Blob | undefined): string {
  if (blob === undefined) return NO_ID;
  return createHash("sha1").update(`blob ${blob.data.length}\0`).update(blob.data).digest("hex");
}

function filePatch(path: BytePath, before: Blob | undefined, after: Blob | undefined): Buffer {
  const head = [`diff --git ${quoted(`a/${path}`)} ${quoted(`b/${path}`)}`];
  if (before === undefined) head.push(`new file mode ${after?.mode ?? ""}`);
  else if (after === undefined) head.push(`deleted file mode ${before.mode}`);
  else if (before.mode !== after.mode) head.push(`old mode ${before.mode}`, `new mode ${after.mode}`);
  const none = Buffer.alloc(0);
  const [from, to] = [before?.data ?? none, after?.data ?? none];
  if (from.equals(to)) {
    if (before === undefined || after === undefined) head.push(`index ${idOf(before)}..${idOf(after)}`);
    return latin(head);
  }
  const same = before !== undefined && before.mode === after?.mode ? ` ${before.mode}` : "";
  head.push(`index ${idOf(before)}..${idOf(after)}${same}`);
  const hunks = hunksOf(from, to);
  if (hunks === undefined) return Buffer.concat([latin(head), binaryPatch(from, to)]);
  head.push(`--- ${before === undefined ? "/dev/null" : named(`a/${path}`)}`);
  head.push(`+++ ${after === undefined ? "/dev/null" : named(`b/${path}`)}`);
  for (const { old_start, old_lines, new_start, new_lines, lines } of hunks)
    head.push(`@@ -${old_start},${old_lines} +${new_start},${new_lines} @@`, ...lines);
  return latin(head);
}

function latin(lines: readonly string[]): Buffer {
  return Buffer.from(`${lines.join("\n")}\n`, "latin1");
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\t": "\\t",
  "\r": "\\r",
};

/** As git quotes a name that is not plain ASCII. */
function quoted(path: BytePath): string {
  let escaped = "";
  for (const code of bytesOf(path)) {
    const char = String.fromCharCode(code);
    escaped +=
      ESCAPES[char] ?? (code < 0x20 || code > 0x7e ? `\\${code.toString(8).padStart(3, "0")}` : char);
  }
  return escaped === path ? path : `"${escaped}"`;
}

/** Where a name stands alone on its line, a tab says that a space belongs to it. */
function named(path: BytePath): string {
  const name = quoted(path);
  return name === path && path.includes(" ") ? `${name}\t` : name;
}

function binaryPatch(before: Buffer, after: Buffer): Buffer {
  return latin(["GIT binary patch", ...literal(after), ...literal(before)]);
}

const LINE_BYTES = 52;

function literal(data: Buffer): string[] {
  const packed = deflateSync(data);
  const lines = [`literal ${data.length}`];
  for (let at = 0; at < packed.length; at += LINE_BYTES) {
    const chunk = packed.subarray(at, at + LINE_BYTES);
    const letter = chunk.length <= 26 ? 64 + chunk.length : 96 + chunk.length - 26;
    lines.push(String.fromCharCode(letter) + base85(chunk));
  }
  return [...lines, ""];
}

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

function base85(chunk: Buffer): string {
  let text = "";
  for (let at = 0; at < chunk.length; at += 4) {
    const group = Buffer.alloc(4);
    chunk.copy(group, 0, at, at + 4);
    let value = group.readUInt32BE(0);
    let digits = "";
    for (let n = 0; n < 5; n += 1) {
      digits = (DIGITS[value % 85] ?? "") + digits;
      value = Math.floor(value / 85);
    }
    text += digits;
  }
  return text;
}
