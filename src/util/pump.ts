/** Copies the streams of a command that may end before whoever holds them, and to those who may stop listening. */
import type { Readable, Writable } from "node:stream";
import { errnoOf } from "./errno.ts";

export interface Activity {
  at: number;
  /** Destinations that are not taking more at the moment. */
  waiting: number;
}

/** Copies with backpressure. A destination that has gone away closes the source, as a broken pipe does. */
export async function pump(from: Readable | null, to: Writable, activity: Activity): Promise<void> {
  if (from === null) return;
  const gone = () => from.destroy();
  to.once("error", gone);
  to.once("close", gone);
  try {
    for await (const chunk of from) {
      activity.at = Date.now();
      if (to.destroyed || to.write(chunk)) continue;
      activity.waiting += 1;
      await takesMore(to);
      activity.waiting -= 1;
      activity.at = Date.now();
    }
  } catch (thrown) {
    // The only failure without a meaning of its own: the source was closed on purpose.
    if (errnoOf(thrown) !== "ERR_STREAM_PREMATURE_CLOSE" && !to.destroyed) throw thrown;
  } finally {
    to.off("error", gone);
    to.off("close", gone);
  }
}

function takesMore(to: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      to.off("drain", done);
      to.off("close", done);
      resolve();
    };
    to.on("drain", done);
    to.on("close", done);
  });
}

const QUIET_MS = 300;

/** A background process that kept the pipes open must not hold back the result of a command that has ended. */
export function closeWhenQuiet(
  streams: readonly (Readable | null)[],
  activity: Activity,
  quietMs = QUIET_MS,
): () => void {
  const since = Date.now();
  const timer = setInterval(() => {
    if (activity.waiting > 0 || Date.now() - Math.max(since, activity.at) < quietMs) return;
    for (const stream of streams) stream?.destroy();
  }, 50);
  return () => clearInterval(timer);
}
