import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Attention } from "../../controllers/attention.ts";
import { Backoff } from "../../src/loop/backoff.ts";
import { readLeftAlone, recordLeftAlone } from "../../src/state/left-alone.ts";
import { temporaryState } from "./temporary.ts";

const stalled = { address: "agent/a", state: "stalled", why: "started too often", until: null } as const;
const failed = { address: "agent/b", state: "back-off", why: "no such image", until: 2000 } as const;

it("is told as long as it lasts", async () => {
  const { state } = await temporaryState();
  expect(await readLeftAlone(state, 0)).toEqual([]);
  await recordLeftAlone(state, [stalled, failed]);
  expect(await readLeftAlone(state, 1000)).toEqual([stalled, failed]);
  expect(await readLeftAlone(state, 2000)).toEqual([stalled]);
});

it("is forgotten with the watch that remembered it", async () => {
  const { state } = await temporaryState();
  await recordLeftAlone(state, [stalled]);
  const path = join(state.dir, "left-alone.json");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(/"start_time":"\d+"/, '"start_time":"1"'));
  expect(await readLeftAlone(state, 0)).toEqual([]);
});

it("is written when it changes, with the reason of each", async () => {
  const { state } = await temporaryState();
  const clock = { now: () => 1000, setTimer: () => () => undefined };
  const backoff = new Backoff({ clock, random: () => 1 });
  const attention = new Attention();
  const tell = (): Promise<void> => attention.tell(state, backoff, 1000, { notify: () => undefined });
  await tell();
  await expect(readFile(join(state.dir, "left-alone.json"))).rejects.toThrow("ENOENT");
  attention.because("agent/b", "no such image");
  backoff.failed("agent/b", "hash");
  attention.because("agent/a", "started too often");
  for (let start = 0; start < 4; start += 1) backoff.started("agent/a", "hash");
  await tell();
  expect(await readLeftAlone(state, 1000)).toEqual([stalled, failed]);
  backoff.forget("agent/a");
  backoff.forget("agent/b");
  await tell();
  expect(await readLeftAlone(state, 1000)).toEqual([]);
});
