import { expect, test } from "vitest";
import { latest } from "../../src/util/latest.ts";

function slowWishes() {
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const wish = latest<number>(async (value) => {
    begun.push(value);
    await new Promise<void>((resolve) => ends.push(resolve));
    if (value < 0) throw new Error("no");
  });
  const endOne = async (): Promise<void> => {
    ends.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { begun, wish, endOne };
}

test("one at a time, and of those that wait only the newest", async () => {
  const { begun, wish, endOne } = slowWishes();
  const all = Promise.all([wish(1), wish(2), wish(3)]);
  expect(begun).toEqual([1]);
  await endOne();
  expect(begun).toEqual([1, 3]);
  await endOne();
  await all;
  expect(begun).toEqual([1, 3]);
});

test("a failure is told, and the next wish is carried out all the same", async () => {
  const { begun, wish, endOne } = slowWishes();
  const failed = expect(wish(-1)).rejects.toThrow("no");
  await endOne();
  await failed;
  const next = wish(5);
  await endOne();
  await next;
  expect(begun).toEqual([-1, 5]);
});

test("a wish that waited behind one that failed is not lost", async () => {
  const { begun, wish, endOne } = slowWishes();
  const first = wish(-1).catch(() => "failed");
  const second = wish(2);
  await endOne();
  await endOne();
  await second;
  await first;
  expect(begun).toEqual([-1, 2]);
});
