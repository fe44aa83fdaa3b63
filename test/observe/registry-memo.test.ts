import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ImageIdentity } from "../../src/model/spec.ts";
import { jitterOf, registryMemo } from "../../src/observe/registry-memo.ts";

const INTERVAL = 300_000;
const image: ImageIdentity = { ref: "app:1", kind: "manifest", digest: "sha256:a", platform: "linux/amd64" };

describe("what registries said", () => {
  test("holds for at least one interval, and for no more than a quarter longer", () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        let time = 1_000;
        const memo = registryMemo({ now: () => time, interval: () => INTERVAL });
        memo.learn(key, { status: "absent", from: image });
        time += INTERVAL - 1;
        expect(memo.recall(key)).toEqual({ known: image });
        expect(memo.nextDue()).toBeGreaterThanOrEqual(1_000 + INTERVAL);
        time += INTERVAL / 4 + 1;
        expect(memo.recall(key)).toBeUndefined();
      }),
    );
  });

  test("each image has a moment of its own, the same in every process", () => {
    const moments = Array.from({ length: 100 }, (_, index) => jitterOf(`docker@local track app:${index}`));
    expect(new Set(moments).size).toBe(100);
    expect(Math.min(...moments)).toBeLessThan(0.1);
    expect(Math.max(...moments)).toBeGreaterThan(0.9);
    expect(jitterOf("docker@local track app:1")).toBe(moments[1]);
  });

  test("a registry that is down is not asked again at once, and what nobody asks for is forgotten", () => {
    let time = 0;
    const memo = registryMemo({ now: () => time, interval: () => INTERVAL });
    memo.learn("a", { status: "absent", unresolved: "down" });
    expect(memo.recall("a")).toEqual({ unresolved: "down" });
    time = 2 * INTERVAL;
    expect(memo.nextDue()).toBeUndefined();
  });
});
