import type { EventBody } from "../../model/event.ts";
import { eventLine } from "../../render/event.ts";
import type { Output } from "../invocation.ts";
import type { EventHost } from "./host.ts";

/** What is told even when nothing is to be told: errors, and that a command is not sandboxed. */
function matters(event: EventBody, level: string): boolean {
  if (event.type === "note" && event.code === "NOT_SANDBOXED") return true;
  // The answer tells failed changes again.
  return level === "error" && event.type !== "change.finished";
}

export function silentHost(stream: Output): EventHost {
  return {
    notify(event) {
      const { level, text } = eventLine(event);
      if (matters(event, level)) stream.write(`${text}\n`);
    },
    clear: () => undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
