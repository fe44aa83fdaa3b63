import { createInterface } from "node:readline";
import type { Engine } from "./client.ts";
import { eventIn } from "./wire.ts";

/** So long an engine may take to tell of a command's end, and of what came with it. */
const PATIENCE_MS = 1_500;
/** What belongs to the end is told before it; a busy engine may turn two around. */
const LINGER_MS = 50;

/**
 * Whether memory ran out in a container while a command ran in it. The engine's own order of events decides, so that no
 * two clocks are compared; false where nothing is told of it.
 */
export async function ranOutOfMemory(engine: Engine, objectId: string, execId: string): Promise<boolean> {
  let out = false;
  try {
    const stream = await engine.stream({
      what: "look whether memory ran out",
      method: "GET",
      path: "/events",
      // From the beginning of what the engine still knows, which is little.
      query: { since: "1", filters: { container: [objectId] } },
      timeout: PATIENCE_MS,
    });
    const lines = createInterface({ input: stream, crlfDelay: Infinity });
    const close = (): void => lines.close();
    let timer = setTimeout(close, PATIENCE_MS);
    // A stream that fails ends no reading of lines by itself.
    stream.once("error", close).once("close", close);
    try {
      for await (const line of lines) {
        const event = eventIn(line);
        if (event === undefined) continue;
        const own = event.Labels["execID"] === execId;
        if (event.Action === "oom") out = true;
        // What was before it is none of its business.
        else if (own && event.Action.startsWith("exec_start")) out = false;
        else if (own && event.Action === "exec_die") {
          if (out) break;
          clearTimeout(timer);
          timer = setTimeout(close, LINGER_MS);
        }
      }
    } finally {
      clearTimeout(timer);
      stream.destroy();
    }
  } catch {
    // Told as far as it is known: the command has ended in any case.
  }
  return out;
}
