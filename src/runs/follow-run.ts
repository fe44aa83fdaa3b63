import { setTimeout as sleep } from "node:timers/promises";
import type { RunLine } from "../model/run-answers.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import type { FleetState } from "../state/directory.ts";
import { textOfBytes } from "../util/shown-bytes.ts";
import { followLog } from "./follow-log.ts";
import { Reading } from "./history.ts";
import { lastLines } from "./inspect-run.ts";
import { wholeLines } from "./read-log.ts";
import type { StreamName } from "./time-index.ts";

const LOOK_EVERY_MS = 200;
/** A line without an end is shown in parts of this size. */
const LONGEST_LINE = 64 * 1024;
const NEWLINE = 0x0a;

/** Answers how a run ended, once it has; undefined when the signal came first. */
export async function untilEnded(
  state: FleetState,
  folder: string,
  signal: AbortSignal,
): Promise<RunManifest | undefined> {
  while (!signal.aborted) {
    const manifest = await new Reading(state, Date.now()).manifest(folder);
    if (manifest === undefined || manifest.status !== "running") return manifest;
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** The last lines of a run, then those that come, until it ends. */
export async function* followLines(
  state: FleetState,
  folder: string,
  options: { readonly count: number; readonly streams: readonly StreamName[]; readonly signal: AbortSignal },
): AsyncGenerator<RunLine> {
  const { signal } = options;
  let over = false;
  const ended = untilEnded(state, folder, signal).finally(() => {
    over = true;
  });
  const ends = await wholeLines(folder, options.streams);
  const sources = options.streams.map((stream) =>
    linesOf(followLog(folder, stream, { from: ends.get(stream) ?? 0, over: () => over, signal }), stream),
  );
  yield* await lastLines(folder, options.count, options.streams, ends);
  yield* merged(sources);
  await ended;
}

async function* linesOf(bytes: AsyncIterable<Buffer>, stream: StreamName): AsyncGenerator<RunLine> {
  let rest = Buffer.alloc(0);
  const line = (part: Buffer): RunLine => ({ stream, ms: null, text: textOfBytes(part) });
  for await (const chunk of bytes) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield line(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
    }
    if (rest.length <= LONGEST_LINE) continue;
    yield line(rest);
    rest = Buffer.alloc(0);
  }
  if (rest.length > 0) yield line(rest);
}

/** Whatever comes next of any of them. */
async function* merged<T>(sources: readonly AsyncGenerator<T>[]): AsyncGenerator<T> {
  const pull = async (source: AsyncGenerator<T>) => ({ source, next: await source.next() });
  const waiting = new Map(sources.map((source) => [source, pull(source)]));
  while (waiting.size > 0) {
    const { source, next } = await Promise.race(waiting.values());
    if (next.done === true) {
      waiting.delete(source);
      continue;
    }
    waiting.set(source, pull(source));
    yield next.value;
  }
}
