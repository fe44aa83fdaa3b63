import { eventLine } from "../../render/event.ts";
import type { Output } from "../invocation.ts";
import type { EventHost } from "./host.ts";

/** Says nothing but errors: an error that nobody hears is worse than a word too many. */
export function silentHost(stream: Output): EventHost {
  return {
    notify(event) {
      const { level, text } = eventLine(event);
      if (level === "error" && event.type !== "change.finished") stream.write(`${text}\n`);
    },
    clear: () => undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
