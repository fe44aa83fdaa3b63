import { appendFile, readFile, rm, stat, writeFile } from "node:fs/promises";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventFacts, RecordedEvent } from "../../src/model/recorded-event.ts";
import { recordedEventSchema } from "../../src/model/recorded-event.ts";
import { followEvents } from "../../src/runs/follow-events.ts";
import { earlierEvents, eventsFile, readEvents, recordEvents, stripped } from "../../src/state/events.ts";
import type { Children } from "./processes-kit.ts";
import { compileChildren } from "./processes-kit.ts";
import { temporaryState } from "./temporary.ts";

const cleanup = (removed: number): EventFacts => ({
  type: "cleanup.ended",
  removed,
  kept: 0,
  failed: 0,
  bytes: 0,
});
const removedOf = (events: readonly RecordedEvent[]): number[] =>
  events.flatMap((each) => (each.type === "cleanup.ended" ? [each.removed] : []));

describe("the ring of events", () => {
  it("keeps what is recorded, in order, and gives what is asked for", async () => {
    const { state } = await temporaryState();
    expect(await readEvents(state, 0)).toEqual([]);
    for (const n of [1, 2, 3]) await recordEvents(state, [cleanup(n)], n * 10);
    expect(removedOf(await readEvents(state, 0))).toEqual([1, 2, 3]);
    expect(removedOf(await readEvents(state, 20))).toEqual([2, 3]);
    expect((await stat(eventsFile(state))).mode & 0o777).toBe(0o600);
  });

  it("tells the same runtime by the same hash, and others by others; without the key nobody can tell whose", async () => {
    const [one, other] = [await temporaryState(), await temporaryState()];
    const facts = (workspace: string): EventFacts => ({ type: "watch.stalled", workspace });
    await recordEvents(one.state, ["agent/a", "agent/b", "agent/a"].map(facts), 1);
    await recordEvents(other.state, [facts("agent/a")], 1);
    const hashes = [...(await readEvents(one.state, 0)), ...(await readEvents(other.state, 0))].map((each) =>
      "workspace" in each ? each.workspace : "",
    );
    const [a, b, again, elsewhere] = hashes;
    expect(a).toMatch(/^[0-9a-f]{16}$/);
    expect(again).toBe(a);
    expect(new Set([a, b, elsewhere]).size).toBe(3);
  });

  it("loses a line that a crash cut short, and no other", async () => {
    const { state } = await temporaryState();
    await recordEvents(state, [cleanup(1)], 1);
    await appendFile(eventsFile(state), '{"type":"cleanup.ended","v":1,');
    expect(removedOf(await readEvents(state, 0))).toEqual([1]);
    await recordEvents(state, [cleanup(2)], 2);
    await appendFile(eventsFile(state), "not ours\n[]\n\0\n");
    await recordEvents(state, [cleanup(3)], 3);
    expect(removedOf(await readEvents(state, 0))).toEqual([1, 2, 3]);
  });

  it("never fails who records: a state directory that cannot be written loses the event", async () => {
    const { state } = await temporaryState();
    await writeFile(state.base + "/fleets", "a file in the way");
    await recordEvents(state, [cleanup(1)], 1);
    await expect(readEvents(state, 0)).resolves.toEqual([]);
  });

  it("is followed from where it is, and into the next file when it turns", async () => {
    const { state } = await temporaryState();
    const stop = new AbortController();
    const seen: number[] = [];
    let heard: () => void = () => undefined;
    const following = (async () => {
      for await (const event of followEvents(state, { since: 0, signal: stop.signal })) {
        seen.push(...removedOf([event]));
        heard();
      }
    })();
    for (let n = 1; n <= 9; n += 1) {
      const next = new Promise<void>((resolve) => (heard = resolve));
      await recordEvents(state, [cleanup(n)], n, 250);
      await next;
    }
    stop.abort();
    await following;
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // It did turn.
    expect(removedOf(await readEvents(state, 0)).length).toBeLessThan(9);
  });
});

/** Values that would tell of somebody, of every kind that JSON has. */
const MARK = "h0st1le/etc/passwd";
const hostile = fc.oneof(
  fc.constantFrom<unknown>(
    MARK,
    [MARK],
    { [MARK]: MARK },
    `0123456789abcdef${MARK}`,
    `0123456789abcdef\n${MARK}`,
  ),
  fc.string().map((text) => `${text}${MARK}`),
  fc.constantFrom<unknown>(Number.NaN, -1, 1.5, null, true, "ok", "done"),
);
const FIELDS = [
  ...new Set(recordedEventSchema.options.flatMap((each) => Object.keys(each.shape))),
  "argv",
  "env",
  "stdout",
  "host",
  "path",
  "message",
  "address",
  "__proto__",
  MARK,
];
const TYPES = recordedEventSchema.options.map((each) => each.shape.type.value);

describe("what gets in", () => {
  it("is only what the schema closes in, whatever anybody says", () => {
    const facts = fc.record({
      type: fc.constantFrom<unknown>(...TYPES, MARK),
      values: fc.array(fc.tuple(fc.constantFrom(...FIELDS), hostile), { maxLength: FIELDS.length }),
    });
    fc.assert(
      fc.property(facts, ({ type, values }) => {
        const made = { ...Object.fromEntries(values.filter(([name]) => name !== "type")), type };
        // Nobody can say so by types; what is parsed here came as JSON.
        const said: EventFacts = JSON.parse(JSON.stringify(made));
        const event = stripped(said, 1, () => "0".repeat(16));
        const text = JSON.stringify(event ?? null);
        expect(text).not.toContain("h0st1le");
        expect(text).toMatch(/^[\w\s{}":,.-]*$/);
      }),
      { numRuns: 2_000 },
    );
  });

  it("has no field for free text: every string is one of a list, or a hash", () => {
    for (const option of recordedEventSchema.options) {
      for (const [name, field] of Object.entries(option.shape)) {
        const takes = field.safeParse(MARK).success || field.safeParse("").success;
        expect(takes, `${option.shape.type.value}.${name}`).toBe(false);
      }
    }
  });
});

describe("several processes", () => {
  let children: Children;
  beforeAll(async () => {
    children = await compileChildren();
  }, 120_000);
  afterAll(() => children[Symbol.asyncDispose]());

  it("record at once: no line is torn or lost, and the ring stays as small as it should", async () => {
    const { state } = await temporaryState();
    const each = 40;
    const all = [1, 2, 3, 4].map(() => children.start(state.base, state.fleet));
    await Promise.all(all.map((child) => child.ask(`events ${each} 1000000`)));
    const events = await readEvents(state, 0);
    const lines = (await readFile(eventsFile(state), "utf8")).split("\n").filter(Boolean);
    expect([events.length, lines.length]).toEqual([4 * each, 4 * each]);
    await rm(eventsFile(state));
    const limit = 2_000;
    await Promise.all(all.map((child) => child.ask(`events ${each} ${limit}`)));
    const sizes = await Promise.all(
      [eventsFile(state), earlierEvents(state)].map(
        async (path) => (await stat(path).catch(() => undefined))?.size ?? 0,
      ),
    );
    const line = (lines[0] ?? "").length + 8;
    // One write a process may come between the look and the turn.
    for (const size of sizes) expect(size).toBeLessThan(limit + 2 * all.length * line);
    const kept = await readEvents(state, 0);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(4 * each);
  }, 120_000);
});
