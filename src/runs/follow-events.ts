/** In: one fleet's ring of events. Out: those since a time, then each as it comes. Reads only. */
import type { RecordedEvent } from "../model/recorded-event.ts";
import type { FleetState } from "../state/directory.ts";
import { eventsFile, parseEvents } from "../state/events.ts";
import { followFile } from "./follow-log.ts";

/** Longer is no event of ours. */
const LONGEST = 64 * 1024;

export async function* followEvents(
  state: FleetState,
  { since, signal }: { readonly since: number; readonly signal: AbortSignal },
): AsyncGenerator<RecordedEvent> {
  let begun = "";
  // Events are ASCII, so that no character is ever cut.
  for await (const bytes of followFile(eventsFile(state), { from: "start", over: () => false, signal })) {
    const text = begun + bytes.toString("latin1");
    const end = text.lastIndexOf("\n") + 1;
    begun = text.slice(end).slice(0, LONGEST);
    for (const event of parseEvents(text.slice(0, end))) if (event.at >= since) yield event;
  }
}
