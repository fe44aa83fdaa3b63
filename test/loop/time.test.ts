import { expect, test, vi } from "vitest";
import { Backoff, fullJitter } from "../../src/loop/backoff.ts";
import { sleep, systemClock } from "../../src/loop/clock.ts";
import { Coalesce } from "../../src/loop/coalesce.ts";
import { Debounce } from "../../src/loop/debounce.ts";
import { startTicker } from "../../src/loop/ticker.ts";
import { VirtualClock } from "./virtual-clock.ts";

const MINUTE = 60_000;
const H1 = { spec: "h1" };
const H2 = { spec: "h2" };

function backoff(random = () => 0.999): { clock: VirtualClock; memory: Backoff } {
  const clock = new VirtualClock();
  return { clock, memory: new Backoff({ clock, random }) };
}

test("the delay doubles from a second up to five minutes, with full jitter", () => {
  const delays = Array.from({ length: 12 }, (_, index) => fullJitter(index + 1, 1000, 300_000, () => 0.5));
  expect(delays.slice(0, 4)).toEqual([500, 1000, 2000, 4000]);
  expect(delays.at(-1)).toBe(150_000);
  expect(fullJitter(10_000, 1000, 300_000, () => 0)).toBe(0);
});

test("a failing key is left alone until its delay has passed; others are not", () => {
  const { clock, memory } = backoff();
  expect(memory.failed("a", H1, "boom")).toEqual({ attempt: 1, delay: 999 });
  expect([...memory.waiting()]).toEqual(["a"]);
  expect(memory.wait("b")).toBe(0);
  clock.advance(1000);
  expect(memory.waiting().size).toBe(0);
  expect(memory.failed("a", H1, "boom").attempt).toBe(2);
});

test("new input is a new beginning", () => {
  const { memory } = backoff();
  memory.failed("a", H1, "boom");
  memory.failed("a", H1, "boom");
  expect(memory.renew("a", H1)).toBe(false);
  expect(memory.renew("a", H2)).toBe(true);
  expect(memory.known()).toEqual([]);
  memory.failed("a", H2, "boom");
  expect(memory.failed("a", { spec: "h3" }, "boom").attempt).toBe(1);
});

test("a part that is not known now is no other input; one that becomes another is", () => {
  const { memory } = backoff();
  memory.failed("a", H1, "boom");
  expect(memory.failed("a", { ...H1, image: "i1" }, "boom").attempt).toBe(2);
  expect(memory.failed("a", H1, "boom").attempt).toBe(3);
  expect(memory.renew("a", { image: "i1" })).toBe(false);
  expect(memory.failed("a", { ...H1, image: "i1", secret: "s1" }, "boom").attempt).toBe(4);
  expect(memory.renew("a", { ...H1, image: "i2" })).toBe(true);
});

test("why the last attempt was made, or failed, is remembered as long as the key is", () => {
  const { memory } = backoff();
  expect(memory.why("a")).toBe("");
  memory.failed("a", H1, "boom");
  memory.started("a", H1, "it was stopped");
  expect(memory.why("a")).toBe("it was stopped");
  memory.forget("a");
  expect(memory.why("a")).toBe("");
});

test("ten minutes of health, unbroken, make it forget", () => {
  const { clock, memory } = backoff();
  memory.failed("a", H1, "boom");
  memory.healthy("a");
  clock.advance(9 * MINUTE);
  memory.ailing("a");
  memory.healthy("a");
  clock.advance(9 * MINUTE);
  memory.healthy("a");
  expect(memory.known()).toEqual(["a"]);
  clock.advance(MINUTE);
  memory.healthy("a");
  expect(memory.known()).toEqual([]);
});

test("the fourth start within ten minutes stalls a key, and is told once", () => {
  const { clock, memory } = backoff();
  const told = [0, 1, 2, 3, 4].map(() => {
    clock.advance(MINUTE);
    return memory.started("a", H1, "it was stopped");
  });
  expect(told).toEqual([false, false, false, true, false]);
  expect(memory.wait("a")).toBe(Infinity);
  expect(memory.started("a", H2, "it was stopped")).toBe(false);
  expect(memory.isStalled("a")).toBe(false);
});

test("starts far apart never stall a key", () => {
  const { clock, memory } = backoff();
  for (let round = 0; round < 50; round++) {
    clock.advance(4 * MINUTE);
    expect(memory.started("a", H1, "it was stopped")).toBe(false);
  }
});

test("a debounce waits for quiet", () => {
  const clock = new VirtualClock();
  const fire = vi.fn();
  const debounce = new Debounce({ clock, quiet: 500, most: 5000 }, fire);
  debounce.poke();
  clock.advance(400);
  debounce.poke();
  clock.advance(499);
  expect(fire).not.toHaveBeenCalled();
  clock.advance(1);
  expect(fire).toHaveBeenCalledTimes(1);
  clock.advance(10_000);
  expect(fire).toHaveBeenCalledTimes(1);
});

test("constant pokes never starve a debounce", () => {
  const clock = new VirtualClock();
  const times: number[] = [];
  const debounce = new Debounce({ clock, quiet: 500, most: 5000 }, () => times.push(clock.now()));
  for (let at = 0; at < 12_000; at += 100) {
    debounce.poke();
    clock.advance(100);
  }
  expect(times.length).toBe(2);
  expect(times[0]).toBe(5000);
});

test("coalesced keys come together once the window closes", () => {
  const clock = new VirtualClock();
  const flushes: string[][] = [];
  const coalesce = new Coalesce(clock, 50, (keys) => flushes.push([...keys]));
  coalesce.add("a");
  clock.advance(49);
  coalesce.add("b");
  coalesce.add("a");
  clock.advance(1);
  coalesce.add("c");
  clock.advance(50);
  expect(flushes).toEqual([["a", "b"], ["c"]]);
});

test("a ticker ticks within its jitter until it is stopped", () => {
  const clock = new VirtualClock();
  const times: number[] = [];
  const chances = [0, 0.5, 0.999];
  const random = (): number => chances[times.length % 3] ?? 0;
  const stop = startTicker({ clock, random, interval: 1000 }, () => times.push(clock.now()));
  clock.advance(3500);
  const gaps = times.map((at, index) => at - (times[index - 1] ?? 0));
  expect(gaps.length).toBe(3);
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(900);
  for (const gap of gaps) expect(gap).toBeLessThanOrEqual(1100);
  stop();
  clock.advance(10_000);
  expect(times.length).toBe(3);
  expect(clock.pending).toBe(0);
});

test("an interval of nothing never ticks", () => {
  const clock = new VirtualClock();
  startTicker({ clock, random: () => 0, interval: 0 }, () => expect.fail("ticked"));
  expect(clock.pending).toBe(0);
});

test("sleep ends early when the signal aborts, and leaves no timer", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const slept = sleep(clock, 1000, controller.signal);
  controller.abort();
  expect(await slept).toBe(false);
  expect(clock.pending).toBe(0);
});

test("a timer longer than Node's longest does not fire at once", () => {
  vi.useFakeTimers();
  try {
    const fire = vi.fn();
    const days = 86_400_000;
    systemClock.setTimer(60 * days, fire);
    vi.advanceTimersByTime(59 * days);
    expect(fire).not.toHaveBeenCalled();
    vi.advanceTimersByTime(days);
    expect(fire).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});
