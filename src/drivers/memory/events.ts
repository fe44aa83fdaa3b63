import type { DriverEvent, ObserveScope } from "../driver.ts";
import type { Machine } from "./machine.ts";

/** Subscribes at once; the stream ends when the signal aborts. */
export function memoryEvents(
  machine: Machine,
  scope: ObserveScope,
  signal: AbortSignal,
): AsyncIterable<DriverEvent> {
  const waiting: DriverEvent[] = [];
  let wake: (() => void) | undefined;
  const leave = machine.subscribe({
    scope,
    notify(event) {
      waiting.push(event);
      wake?.();
    },
  });
  signal.addEventListener("abort", () => {
    leave();
    wake?.();
  });
  if (signal.aborted) leave();
  return {
    async *[Symbol.asyncIterator]() {
      while (!signal.aborted) {
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
  };
}
