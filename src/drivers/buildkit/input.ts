/**
 * In: a command's input. Out: files that hold it, each of what a worker takes as one secret: so nothing of it is in a layer,
 * in the cache or on the worker's disk. A build gets all it is given at its start, so it is read to its end.
 */
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
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
  const names: string[] = [];
  const next = async (): Promise<FileHandle> => {
    if (names.length === MOST_PARTS) throw tooLong();
    const name = `input-${names.length}`;
    names.push(name);
    return await open(join(folder, name), "w", 0o600);
  };
  if (stdin !== undefined) {
    await pipeline(stdin, (source: AsyncIterable<Buffer>) => inParts(source, next), { signal });
  }
  return names;
}

/** Each full but the last. */
async function inParts(source: AsyncIterable<Buffer>, next: () => Promise<FileHandle>): Promise<void> {
  let file: FileHandle | undefined;
  let left = 0;
  try {
    for await (const chunk of source) {
      for (let rest = Buffer.from(chunk); rest.length > 0;) {
        if (left === 0) {
          await file?.close();
          file = await next();
          left = PART;
        }
        const piece = rest.subarray(0, left);
        await file?.writeFile(piece);
        left -= piece.length;
        rest = rest.subarray(piece.length);
      }
    }
  } finally {
    await file?.close();
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
