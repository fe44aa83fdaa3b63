/** Copies the streams of a command that may end before whoever holds them, and to those who may stop listening. */
import type { Readable, Writable } from "node:stream";
import { errnoOf } from "./errno.ts";

export interface Activity {
  /** Grows with all that arrives and is passed on. */
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
      activity.at += 1;
      if (to.destroyed || to.write(chunk)) continue;
      activity.waiting += 1;
      await takesMore(to);
      activity.waiting -= 1;
      activity.at += 1;
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

const TICK_MS = 50;
/** In ticks, between any two of which what has arrived is read: a busy process takes nothing for quiet. */
const QUIET_TICKS = 6;
const MOST = 200;

const LEFT_BEHIND =
  "sandkeep: the command has ended, and something that it left running still holds its output; what that writes from now on is not kept\n";

/**
 * For a command that has ended and whose own output has arrived: a background process that kept the streams open must not
 * hold back the result. They are closed once nothing comes any more, or after 10 s, and `tells` is told so.
 */
export function closeWhenQuiet(
  streams: readonly (Readable | null)[],
  activity: Activity,
  tells: Writable,
  quietTicks = QUIET_TICKS,
): () => void {
  let [quiet, ticks, seen] = [0, 0, activity.at];
  const timer = setInterval(() => {
    // What arrived late waits for whoever is slow to take it.
    if (activity.waiting > 0) return;
    ticks += 1;
    quiet = activity.at === seen ? quiet + 1 : 0;
    seen = activity.at;
    if (quiet < quietTicks && ticks < MOST) return;
    clearInterval(timer);
    if (!tells.destroyed) tells.write(LEFT_BEHIND);
    for (const stream of streams) stream?.destroy();
  }, TICK_MS);
  return () => clearInterval(timer);
}
