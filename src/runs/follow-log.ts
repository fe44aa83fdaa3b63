import type { Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { unlessMissing } from "../util/errno.ts";
import { logPath } from "./layout.ts";
import { earlierPart } from "./log-file.ts";
import type { StreamName } from "./time-index.ts";

const BLOCK = 256 * 1024;
const LOOK_EVERY_MS = 100;

/** Where following begins: with all that is kept, or at this byte of the current file. */
export type From = "start" | number;

export interface Following {
  readonly from: From;
  /** No more will come. */
  readonly over: () => boolean;
  readonly signal: AbortSignal;
}

/** One stream's bytes as they are written. */
export function followLog(folder: string, stream: StreamName, options: Following): AsyncGenerator<Buffer> {
  return followFile(logPath(folder, stream), options);
}

/**
 * A file's bytes as they are appended, until `over` says that no more will come and all was read. It follows it into the
 * next file when it turns; whoever reads more slowly than two turns misses what was dropped meanwhile.
 */
export async function* followFile(path: string, options: Following): AsyncGenerator<Buffer> {
  let handle: FileHandle | undefined;
  let position = options.from === "start" ? 0 : options.from;
  try {
    // The current file is opened first: a turn in between must not take it out of sight.
    handle = await unlessMissing(open(path, "r"));
    if (options.from === "start") yield* earlierFile(earlierPart(path), handle);
    while (!options.signal.aborted) {
      // Asked before reading: what was written before the end is still read.
      const over = options.over();
      handle ??= await unlessMissing(open(path, "r"));
      if (handle !== undefined) {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(BLOCK), 0, BLOCK, position);
        position += bytesRead;
        if (bytesRead > 0) {
          yield buffer.subarray(0, bytesRead);
          continue;
        }
        if (await turned(path, handle)) {
          // It was written to until it turned, and where several write, by one that had opened it a moment longer.
          for await (const rest of restOf(handle, position)) {
            position += rest.length;
            yield rest;
          }
          await sleep(LOOK_EVERY_MS, undefined, { signal: options.signal }).catch(() => undefined);
          yield* restOf(handle, position);
          await handle.close();
          handle = undefined;
          position = 0;
          continue;
        }
      }
      if (over) return;
      await sleep(LOOK_EVERY_MS, undefined, { signal: options.signal }).catch(() => undefined);
    }
  } finally {
    await handle?.close();
  }
}

async function turned(path: string, handle: FileHandle): Promise<boolean> {
  const now = await unlessMissing(stat(path));
  // Between the rename and the next file there is none for a moment.
  return now !== undefined && !sameFile(now, await handle.stat());
}

function sameFile(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

/** All of the earlier part, unless that is by now what `current` was opened as, and is read as such. */
async function* earlierFile(path: string, current: FileHandle | undefined): AsyncGenerator<Buffer> {
  const handle = await unlessMissing(open(path, "r"));
  if (handle === undefined) return;
  try {
    if (current !== undefined && sameFile(await handle.stat(), await current.stat())) return;
    yield* restOf(handle, 0);
  } finally {
    await handle.close();
  }
}

async function* restOf(handle: FileHandle, from: number): AsyncGenerator<Buffer> {
  for (let position = from; ;) {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(BLOCK), 0, BLOCK, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
