import { expect, test } from "vitest";
import { runPool } from "../../src/loop/pool.ts";
import { WorkQueue } from "../../src/loop/queue.ts";
import { VirtualClock, rest, settle } from "./virtual-clock.ts";

function open(): { clock: VirtualClock; queue: WorkQueue } {
  const clock = new VirtualClock();
  return { clock, queue: new WorkQueue({ clock, patience: 1000 }) };
}

test("adds of a waiting key collapse", async () => {
  const { queue } = open();
  queue.add("a");
  queue.add("b");
  queue.add("a");
  expect(await queue.take(10)).toEqual(["a", "b"]);
  expect(await rest(queue)).toEqual([]);
});

test("a key added while it is worked on is handed out again afterwards, once", async () => {
  const { queue } = open();
  queue.add("a");
  expect(await queue.take()).toEqual(["a"]);
  queue.add("a");
  queue.add("a");
  let second: readonly string[] | undefined;
  void queue.take(5).then((keys) => (second = keys));
  await settle();
  expect(second).toBeUndefined();
  queue.done("a");
  await settle();
  expect(second).toEqual(["a"]);
  queue.done("a");
  expect(await rest(queue)).toEqual([]);
});

test("fresh keys overtake low ones, and a batch never mixes them", async () => {
  const { queue } = open();
  queue.add("resync", "low");
  queue.add("a");
  queue.add("b");
  expect(await queue.take(10)).toEqual(["a", "b"]);
  expect(await queue.take(10)).toEqual(["resync"]);
});

test("a low key that a normal add confirms is normal", async () => {
  const { queue } = open();
  queue.add("x", "low");
  queue.add("a");
  queue.add("x");
  expect(await queue.take(10)).toEqual(["a", "x"]);
});

test("a low key overtakes when its patience ends, one at a time", async () => {
  const { queue, clock } = open();
  queue.add("low1", "low");
  queue.add("low2", "low");
  clock.advance(1000);
  queue.add("a");
  expect(await queue.take(10)).toEqual(["low1"]);
  expect(await queue.take(10)).toEqual(["low2"]);
  expect(await queue.take(10)).toEqual(["a"]);
});

test("of delayed adds the earliest counts, whichever came first", async () => {
  const { queue, clock } = open();
  queue.addAfter("a", 500);
  queue.addAfter("a", 100);
  queue.addAfter("a", 900);
  let due: readonly string[] | undefined;
  void queue.take().then((keys) => (due = keys));
  clock.advance(99);
  await settle();
  expect(due).toBeUndefined();
  clock.advance(1);
  await settle();
  expect(due).toEqual(["a"]);
  queue.done("a");
  clock.advance(10_000);
  expect(await rest(queue)).toEqual([]);
});

test("close hands out nothing more, cancels timers and ends waiting workers", async () => {
  const { queue, clock } = open();
  queue.add("running");
  await queue.take();
  const waiting = queue.take();
  queue.addAfter("later", 100);
  queue.close();
  expect(await waiting).toEqual([]);
  queue.add("late");
  expect(await queue.take()).toEqual([]);
  expect(clock.pending).toBe(0);
  queue.add("running");
  queue.done("running");
  expect(await queue.take()).toEqual([]);
});

test("the pool goes on after a throw, and ends when the queue is closed", async () => {
  const { queue } = open();
  const seen: string[] = [];
  const failures: string[] = [];
  const pool = runPool({
    queue,
    workers: 2,
    batch: 1,
    work: async ([key = ""]) => {
      await settle();
      seen.push(key);
      if (key === "bad") throw new Error("no luck");
    },
    failed: (keys, error) => failures.push(`${keys.join()}: ${error.message}`),
  });
  for (const key of ["a", "bad", "b", "c"]) queue.add(key);
  for (let round = 0; round < 10; round++) await settle();
  expect(seen.toSorted()).toEqual(["a", "b", "bad", "c"]);
  expect(failures).toEqual(["bad: no luck"]);
  queue.close();
  await pool;
});
