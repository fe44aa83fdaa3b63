import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Attention } from "../../controllers/attention.ts";
import { Backoff } from "../../src/loop/backoff.ts";
import { readLeftAlone, recordLeftAlone } from "../../src/state/left-alone.ts";
import { temporaryState } from "./temporary.ts";

const stalled = {
  address: "agent/a",
  state: "stalled",
  why: "started more than 3 times within 10 minutes; left alone until its settings change; the last time: boom",
  until: null,
} as const;
const failed = { address: "agent/b", state: "back-off", why: "no such image", until: 2000 } as const;

it("is told as long as it lasts", async () => {
  const { state } = await temporaryState();
  expect(await readLeftAlone(state, 0)).toEqual([]);
  await recordLeftAlone(state, [stalled, failed], 0);
  expect(await readLeftAlone(state, 1000)).toEqual([stalled, failed]);
  expect(await readLeftAlone(state, 2000)).toEqual([stalled]);
});

it("is forgotten with the watch that remembered it", async () => {
  const { state } = await temporaryState();
  await recordLeftAlone(state, [stalled], 0);
  const path = join(state.dir, "left-alone.json");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(/"start_time":"\d+"/, '"start_time":"1"'));
  expect(await readLeftAlone(state, 0)).toEqual([]);
});

it("of a watch in another boot or container is believed only while that says it again", async () => {
  const { state } = await temporaryState();
  await recordLeftAlone(state, [stalled], 1_000_000);
  const path = join(state.dir, "left-alone.json");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(/"boot_id":"[^"]*"/, '"boot_id":"another"'));
  expect(await readLeftAlone(state, 1_299_999)).toEqual([stalled]);
  expect(await readLeftAlone(state, 1_300_000)).toEqual([]);
  // Earlier versions did not say when.
  await writeFile(
    path,
    text.replace(/"told_at":\d+,/, "").replace(/"boot_id":"[^"]*"/, '"boot_id":"another"'),
  );
  expect(await readLeftAlone(state, 1_000_000)).toEqual([]);
});

it("of an earlier watch is over when the next begins, and said again while that lasts", async () => {
  const { state } = await temporaryState();
  await recordLeftAlone(state, [stalled], 0);
  const backoff = new Backoff({ clock: { now: () => 0, setTimer: () => () => undefined }, random: () => 1 });
  const attention = new Attention();
  const sink = { notify: () => undefined };
  await attention.begin(state, backoff, 0, sink);
  expect(await readLeftAlone(state, 0)).toEqual([]);
  const path = join(state.dir, "left-alone.json");
  const quiet = await readFile(path, "utf8");
  await attention.beat(state, backoff, 60_000, sink);
  expect(await readFile(path, "utf8")).toBe(quiet);
  for (let start = 0; start < 4; start += 1) backoff.started("agent/a", { spec: "hash" }, "boom");
  await attention.tell(state, backoff, 60_000, sink);
  expect(await readFile(path, "utf8")).toContain('"told_at":60000');
  await attention.tell(state, backoff, 90_000, sink);
  expect(await readFile(path, "utf8")).toContain('"told_at":60000');
  await attention.beat(state, backoff, 120_000, sink);
  expect(await readFile(path, "utf8")).toContain('"told_at":120000');
  expect(await readLeftAlone(state, 120_000)).toEqual([stalled]);
});

it("is written when it changes, with the reason of each", async () => {
  const { state } = await temporaryState();
  const clock = { now: () => 1000, setTimer: () => () => undefined };
  const backoff = new Backoff({ clock, random: () => 1 });
  const attention = new Attention();
  const tell = (): Promise<void> => attention.tell(state, backoff, 1000, { notify: () => undefined });
  await tell();
  await expect(readFile(join(state.dir, "left-alone.json"))).rejects.toThrow("ENOENT");
  backoff.failed("agent/b", { spec: "hash" }, "no such image");
  for (let start = 0; start < 4; start += 1) backoff.started("agent/a", { spec: "hash" }, "boom");
  await tell();
  expect(await readLeftAlone(state, 1000)).toEqual([stalled, failed]);
  backoff.forget("agent/a");
  backoff.forget("agent/b");
  await tell();
  expect(await readLeftAlone(state, 1000)).toEqual([]);
});
