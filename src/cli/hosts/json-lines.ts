import type { SandkeepEvent } from "../../model/event.ts";
import type { Output } from "../invocation.ts";
import type { EventHost } from "./host.ts";

/** Every event as one JSON line of the published event format. */
export function jsonLinesHost(stream: Output, now: () => number): EventHost {
  return {
    notify(body) {
      const event = { ...body, at: new Date(now()).toISOString() } satisfies SandkeepEvent;
      stream.write(`${JSON.stringify(event)}\n`);
    },
    clear: () => undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
