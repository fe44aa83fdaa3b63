import { expect, test } from "vitest";
import type { DriverEvent } from "../../src/drivers/driver.ts";
import { followEvents } from "../../src/loop/triggers/engine.ts";
import { VirtualClock, settle } from "./virtual-clock.ts";

type Source = (signal: AbortSignal) => Promise<AsyncIterable<DriverEvent>>;

function follow(sources: readonly Source[]): {
  clock: VirtualClock;
  log: string[];
  stop: () => void;
  ended: Promise<void>;
} {
  const clock = new VirtualClock();
  const log: string[] = [];
  const controller = new AbortController();
  let next = 0;
  const ended = followEvents({
    clock,
    random: () => 0.5,
    signal: controller.signal,
    subscribe: (signal) => (sources[next++] ?? waiting)(signal),
    changed: (address) => log.push(address),
    gap: () => log.push("gap"),
    lost: (error, attempt, retry) => log.push(`${error.message} ${attempt} ${retry}`),
  });
  return { clock, log, stop: () => controller.abort(), ended };
}

/** Says these, then goes on until the promise settles. */
async function* speak(events: readonly DriverEvent[], end: Promise<void>): AsyncGenerator<DriverEvent> {
  yield* events;
  await end;
}

/** Subscribes, and says nothing until told to stop. */
const waiting: Source = async (signal) =>
  speak([], new Promise((resolve) => signal.addEventListener("abort", () => resolve())));

const saying =
  (...events: readonly DriverEvent[]): Source =>
  async () =>
    speak(events, Promise.resolve());

const refusing: Source = () => Promise.reject(new Error("refused"));

test("changes are passed on; subscribing and gaps both ask for a full look", async () => {
  const { log, stop, ended } = follow([
    saying({ kind: "changed", address: "agent/a" }, { kind: "gap" }, { kind: "changed", address: "agent/b" }),
  ]);
  await settle();
  expect(log).toEqual(["gap", "agent/a", "gap", "agent/b", "the event stream ended 1 500"]);
  stop();
  await ended;
});

test("a stream that ends or fails is opened again, ever more slowly", async () => {
  const { clock, log, stop, ended } = follow([refusing, refusing, saying(), waiting]);
  await settle();
  expect(log).toEqual(["refused 1 500"]);
  for (const ms of [500, 1000, 2000]) {
    clock.advance(ms);
    await settle();
  }
  expect(log).toEqual(["refused 1 500", "refused 2 1000", "gap", "the event stream ended 3 2000", "gap"]);
  stop();
  await ended;
  expect(clock.pending).toBe(0);
});

test("after a steady minute the back-off begins anew", async () => {
  let end: (() => void) | undefined;
  const steady: Source = async () => speak([], new Promise((resolve) => (end = resolve)));
  const { clock, log, stop, ended } = follow([refusing, refusing, refusing, steady]);
  for (const ms of [0, 500, 1000, 2000]) {
    clock.advance(ms);
    await settle();
  }
  clock.advance(61_000);
  end?.();
  await settle();
  expect(log.at(-1)).toBe("the event stream ended 1 500");
  stop();
  await ended;
});
