import { toError } from "../errors.ts";
import type { WorkQueue } from "./queue.ts";

export interface PoolOptions {
  readonly queue: WorkQueue;
  readonly workers: number;
  /** Most keys handed to one call of `work`. */
  readonly batch: number;
  readonly work: (keys: readonly string[]) => Promise<void>;
  /** Told of what `work` threw; the pool goes on. */
  readonly failed: (keys: readonly string[], error: Error) => void;
}

/** Works on the queue with N workers. Resolves when the queue is closed and what ran has ended. */
export async function runPool(options: PoolOptions): Promise<void> {
  await Promise.all(Array.from({ length: Math.max(1, options.workers) }, () => runWorker(options)));
}

async function runWorker({ queue, batch, work, failed }: PoolOptions): Promise<void> {
  for (;;) {
    const keys = await queue.take(batch);
    if (keys.length === 0) return;
    try {
      await work(keys);
    } catch (thrown) {
      failed(keys, toError(thrown));
    } finally {
      for (const key of keys) queue.done(key);
    }
  }
}
