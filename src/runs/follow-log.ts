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

/**
 * One stream's bytes as they are written, until `over` says that no more will come and all was read. It follows the log
 * into the next file when it turns; whoever reads more slowly than two turns misses what was dropped meanwhile.
 */
export async function* followLog(
  folder: string,
  stream: StreamName,
  options: { readonly from: From; readonly over: () => boolean; readonly signal: AbortSignal },
): AsyncGenerator<Buffer> {
  const path = logPath(folder, stream);
  let handle: FileHandle | undefined;
  let position = options.from === "start" ? 0 : options.from;
  try {
    if (options.from === "start") yield* wholeFile(earlierPart(path));
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
  const [now, own] = [await unlessMissing(stat(path)), await handle.stat()];
  // Between the two renames there is no such file for a moment.
  return now !== undefined && (now.ino !== own.ino || now.dev !== own.dev);
}

async function* wholeFile(path: string): AsyncGenerator<Buffer> {
  const handle = await unlessMissing(open(path, "r"));
  if (handle === undefined) return;
  try {
    for (;;) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(BLOCK), 0, BLOCK);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
