/**
 * The ring of events of one fleet: two files, of which the older gives way. In: what happened. Out: a line of closed
 * values; anything else cannot be written. Losing events loses nothing but them: what is told of never waits or fails.
 */
import { createHmac } from "node:crypto";
import { rename, stat } from "node:fs/promises";
import { join } from "node:path";
import type { EventFacts, RecordedEvent } from "../model/recorded-event.ts";
import { recordedEventSchema } from "../model/recorded-event.ts";
import { unlessMissing } from "../util/errno.ts";
import type { FleetState } from "./directory.ts";
import { appendLines, parseJson, readText } from "./files.ts";
import { withMutex } from "./mutex.ts";
import { stateKey } from "./secret-key.ts";

/** Of one file; the ring is twice as large at most. */
const RING_BYTES = 1024 * 1024;
const HASH_LENGTH = 16;

export function eventsFile(state: FleetState): string {
  return join(state.dir, "events.jsonl");
}

export function earlierEvents(state: FleetState): string {
  return `${eventsFile(state)}.1`;
}

/** Never rejects. `workspace` and `run` of the facts are hashed here, with the state directory's own key. */
export async function recordEvents(
  state: FleetState,
  facts: readonly EventFacts[],
  now: number,
  limit = RING_BYTES,
): Promise<void> {
  try {
    const { key } = await stateKey(state.base);
    const lines = facts.flatMap((each) => {
      const event = stripped(each, now, (text) => hashOf(key, state.fleet, text));
      return event === undefined ? [] : [JSON.stringify(event)];
    });
    if (lines.length === 0) return;
    await appendLines(eventsFile(state), lines);
    await turn(state, limit);
  } catch {
    // Nobody is kept from working because it cannot be told of.
  }
}

function hashOf(key: Uint8Array, fleet: string, text: string): string {
  return createHmac("sha256", key).update(`event\0${fleet}\0${text}`).digest("hex").slice(0, HASH_LENGTH);
}

/** Only what the schema names, and only values that it closes in; undefined for an event that has others. */
export function stripped(
  facts: EventFacts,
  now: number,
  hash: (text: string) => string,
): RecordedEvent | undefined {
  const hashed = {
    ...("workspace" in facts ? { workspace: hash(facts.workspace) } : {}),
    ...("run" in facts ? { run: hash(facts.run) } : {}),
  };
  return recordedEventSchema.safeParse({ ...facts, ...hashed, v: 1, at: Math.round(now) }).data;
}

async function turn(state: FleetState, limit: number): Promise<void> {
  const path = eventsFile(state);
  const isFull = async (): Promise<boolean> => ((await unlessMissing(stat(path)))?.size ?? 0) >= limit;
  if (!(await isFull())) return;
  await withMutex(path, async () => {
    // Another process may have been faster.
    if (await isFull()) await rename(path, earlierEvents(state));
  });
}

/** Most times that a read begins anew because the ring turned meanwhile. */
const TRIES = 5;

/** Oldest first; lines that are torn, or hold anything else than an event, are left out. */
export async function readEvents(state: FleetState, since: number): Promise<readonly RecordedEvent[]> {
  for (let tries = 1; ; tries += 1) {
    const before = await inodeOf(eventsFile(state));
    const texts = [await readText(earlierEvents(state)), await readText(eventsFile(state))];
    if (tries < TRIES && before !== (await inodeOf(eventsFile(state)))) continue;
    return texts.flatMap((text) => parseEvents(text ?? "")).filter(({ at }) => at >= since);
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await unlessMissing(stat(path)))?.ino;
}

export function parseEvents(text: string): RecordedEvent[] {
  return text.split("\n").flatMap((line) => {
    const event = line === "" ? undefined : parseJson(line, recordedEventSchema);
    return event === undefined ? [] : [event];
  });
}
