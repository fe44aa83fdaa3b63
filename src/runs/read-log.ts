import type { FileHandle } from "node:fs/promises";
import { open, readFile, stat } from "node:fs/promises";
import type { RunLog } from "../model/run-manifest.ts";
import { unlessMissing } from "../util/errno.ts";
import { logPath, timesPath } from "./layout.ts";
import { earlierPart } from "./log-file.ts";
import type { StreamName, TimeMark } from "./time-index.ts";
import { parseTimes } from "./time-index.ts";

export const STREAMS: readonly StreamName[] = ["stdout", "stderr"];

/** One line of output, without its end. */
export interface LogLine {
  readonly stream: StreamName;
  /** Milliseconds after the start of the run; null where no mark tells it. */
  readonly ms: number | null;
  readonly bytes: Buffer;
}

/** Of a stream's end, so much is looked at; a longer line shows its end. */
const MOST_BYTES = 4 * 1024 * 1024;
const BLOCK = 64 * 1024;
const NEWLINE = 0x0a;

async function sizeOf(path: string): Promise<number | undefined> {
  return (await unlessMissing(stat(path)))?.size;
}

/** The newest log that has something in it, stderr first: there a failure tells its reason. */
export async function latestLog(folder: string): Promise<string | null> {
  const paths = (["stderr", "stdout"] as const).map((stream) => logPath(folder, stream));
  for (const path of paths) if (((await sizeOf(path)) ?? 0) > 0) return path;
  return null;
}

/** What the files of a stream say of themselves, where its manifest does not. */
export async function readLogState(folder: string, stream: StreamName): Promise<RunLog> {
  const path = logPath(folder, stream);
  const [current = 0, earlier = 0] = [await sizeOf(path), await sizeOf(earlierPart(path))];
  const base =
    parseTimes((await unlessMissing(readFile(timesPath(folder), "utf8"))) ?? "").bases.get(stream) ?? 0;
  // A mark that a crash kept from being written tells too little, never too much.
  const start = Math.max(base, earlier);
  return { bytes: start + current, dropped: start - earlier, lost: 0, error: null };
}

/** Where each stream's file ends with a whole line: up to there lines are shown, from there on they are followed. */
export async function wholeLines(
  folder: string,
  streams: readonly StreamName[],
): Promise<ReadonlyMap<StreamName, number>> {
  const ends = new Map<StreamName, number>();
  for (const stream of streams) {
    const { bytes, from } = await lastBytes(logPath(folder, stream), 0, BLOCK);
    const last = bytes.lastIndexOf(NEWLINE);
    ends.set(stream, from + (last < 0 ? bytes.length : last + 1));
  }
  return ends;
}

/** The last `count` lines of both streams in the order in which they came, as far as the marks tell. */
export async function tailOf(
  folder: string,
  count: number,
  streams: readonly StreamName[] = STREAMS,
  ends?: ReadonlyMap<StreamName, number>,
): Promise<readonly LogLine[]> {
  const times = (await unlessMissing(readFile(timesPath(folder), "utf8"))) ?? "";
  const { marks, bases } = parseTimes(times);
  const all: LogLine[] = [];
  for (const stream of streams) {
    const own = marks.filter((mark) => mark.stream === stream);
    all.push(
      ...(await streamTail({ folder, stream, count, end: ends?.get(stream) }, own, bases.get(stream) ?? 0)),
    );
  }
  // Stable: lines of one stream keep their order.
  return all.toSorted((a, b) => (a.ms ?? 0) - (b.ms ?? 0)).slice(-count);
}

interface Wanted {
  readonly folder: string;
  readonly stream: StreamName;
  readonly count: number;
  readonly end: number | undefined;
}

async function streamTail(
  { folder, stream, count, end }: Wanted,
  marks: readonly TimeMark[],
  base: number,
): Promise<LogLine[]> {
  const path = logPath(folder, stream);
  const current = await lastBytes(path, count, MOST_BYTES, end);
  const whole = current.from === 0;
  const earlier =
    whole && newlines(current.bytes) <= count
      ? (await lastBytes(earlierPart(path), count, MOST_BYTES - current.bytes.length)).bytes
      : Buffer.alloc(0);
  const bytes = Buffer.concat([earlier, current.bytes]);
  const first = base + current.from - earlier.length;
  return splitLines(bytes, first)
    .slice(-count)
    .map(({ offset, bytes: line }) => ({ stream, ms: timeAt(marks, offset), bytes: line }));
}

/** Enough of a file's end for `count` lines. */
async function lastBytes(
  path: string,
  count: number,
  most: number,
  end?: number,
): Promise<{ readonly bytes: Buffer; readonly from: number }> {
  const handle = await unlessMissing(open(path, "r"));
  if (handle === undefined) return { bytes: Buffer.alloc(0), from: 0 };
  try {
    const size = Math.min((await handle.stat()).size, end ?? Infinity);
    const parts: Buffer[] = [];
    let from = size;
    let ends = 0;
    while (from > 0 && ends <= count && size - from < most) {
      const length = Math.min(BLOCK, from, most - (size - from));
      const block = await readAt(handle, from - length, length);
      parts.unshift(block);
      from -= length;
      ends += newlines(block);
    }
    return { bytes: Buffer.concat(parts), from };
  } finally {
    await handle.close();
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function newlines(bytes: Buffer): number {
  let found = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) found += 1;
  return found;
}

function splitLines(bytes: Buffer, first: number): { readonly offset: number; readonly bytes: Buffer }[] {
  const lines: { offset: number; bytes: Buffer }[] = [];
  let from = 0;
  while (from < bytes.length) {
    const end = bytes.indexOf(NEWLINE, from);
    const to = end < 0 ? bytes.length : end;
    lines.push({ offset: first + from, bytes: bytes.subarray(from, to) });
    from = to + 1;
  }
  return lines;
}

function timeAt(marks: readonly TimeMark[], offset: number): number | null {
  let low = 0;
  let high = marks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((marks[middle]?.offset ?? Infinity) <= offset) low = middle + 1;
    else high = middle;
  }
  return marks[low - 1]?.ms ?? null;
}
