import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { elapsed } from "../util/elapsed.ts";
import { errnoOf } from "../util/errno.ts";
import { makeDirectory, stateError } from "./files.ts";

/** Milliseconds after which the mutex of a killed process is taken; the work below it takes a few. */
const STALE = 5_000;
const PATIENCE = 60_000;

/** Runs a short read-modify-write of `path` alone among all processes of this machine. */
export async function withMutex<T>(path: string, work: () => Promise<T>): Promise<T> {
  await makeDirectory(dirname(path));
  const release = await lock(path);
  try {
    return await work();
  } finally {
    release();
  }
}

/**
 * The library's own retries would also repeat a full or read-only disk. Its calls are made at once: handing each to another
 * thread takes longer than all of them.
 */
async function lock(path: string): Promise<() => void> {
  const { default: lockfile } = await import("proper-lockfile");
  const deadline = elapsed() + PATIENCE;
  for (let pause = 2; ; pause = Math.min(40, pause * 1.5)) {
    try {
      const release = lockfile.lockSync(path, {
        realpath: false,
        stale: STALE,
        // Losing it to a long stall is harmless: what it protects is fenced by tokens in the file itself.
        onCompromised: () => undefined,
      });
      return () => {
        try {
          release();
        } catch {
          // Lost to a long stall, or removed with its folder: whoever has it now is not to be disturbed.
        }
      };
    } catch (error) {
      if (errnoOf(error) !== "ELOCKED" || elapsed() > deadline) throw stateError("lock", path, error);
    }
    await sleep(pause * (0.5 + Math.random()));
  }
}
