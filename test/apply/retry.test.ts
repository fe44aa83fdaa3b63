import { afterEach, describe, expect, it, vi } from "vitest";
import { attempt } from "../../src/apply/retry.ts";
import { SandkeepError } from "../../src/errors.ts";
import { fetchNode } from "../../src/plan/chain.ts";

const node = fetchNode({ backend: "memory", host: "local", ref: "img:a", policy: "missing" });
const error = (kind: "transient" | "terminal") => new SandkeepError(kind, { code: "X", kind });

function clock() {
  const slept: number[] = [];
  return { slept, wait: { elapsed: () => 0, sleep: async (ms: number) => void slept.push(ms) } };
}

afterEach(() => void vi.useRealTimers());

describe("an attempt", () => {
  it("is repeated after passing failures, a little later each time", async () => {
    const { slept, wait } = clock();
    let calls = 0;
    await attempt(
      async () => {
        calls += 1;
        if (calls < 3) throw error("transient");
      },
      node,
      wait,
    );
    expect(calls).toBe(3);
    expect(slept).toEqual([150, 300]);
  });

  it.each([
    ["transient", 3],
    ["terminal", 1],
  ] as const)("with a %s failure each time is made %i times", async (kind, expected) => {
    let calls = 0;
    const work = async (): Promise<never> => {
      calls += 1;
      throw error(kind);
    };
    await expect(attempt(work, node, clock().wait)).rejects.toThrow(kind);
    expect(calls).toBe(expected);
  });

  it("that takes too long is given up and not repeated: its outcome is unknown", async () => {
    vi.useFakeTimers();
    let calls = 0;
    const never = (): Promise<void> => {
      calls += 1;
      return new Promise(() => undefined);
    };
    const ended = expect(attempt(never, { ...node, timeout_s: 5 }, clock().wait)).rejects.toMatchObject({
      code: "STEP_TIMEOUT",
      kind: "transient",
    });
    await vi.advanceTimersByTimeAsync(5_000);
    await ended;
    expect(calls).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
