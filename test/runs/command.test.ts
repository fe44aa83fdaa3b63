import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ExecHandle, ExecResult } from "../../src/drivers/driver.ts";
import { awaitEnd } from "../../src/runs/command.ts";
import { DAY } from "../support/runtimes.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const ignore = (): void => undefined;

/** A command that ends when told to, and notes the signals it gets. */
function command(onSignal: (name: string, end: (code: number) => void) => void = () => undefined) {
  const signals: string[] = [];
  let end: (code: number) => void = ignore;
  let fail: (why: Error) => void = ignore;
  const result = new Promise<ExecResult>((resolve, reject) => {
    end = (exitCode) => resolve({ exitCode });
    fail = reject;
  });
  const handle: ExecHandle = {
    result,
    async signal(name) {
      signals.push(name);
      onSignal(name, end);
    },
    resize: async () => undefined,
  };
  return { handle, signals, end: (code: number) => end(code), fail: (why: Error) => fail(why) };
}

describe("the end of a command", () => {
  it.each([undefined, 5_000])("is its own, with a limit of %s", async (limit) => {
    const { handle, end, signals } = command();
    const ended = awaitEnd(handle, limit);
    end(7);
    expect(await ended).toEqual({ exitCode: 7, timedOut: false, cancelled: false });
    expect(signals).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is 124 when its time was up, though it says otherwise: TERM first", async () => {
    const { handle, signals } = command((_name, end) => end(0));
    const ended = awaitEnd(handle, 5_000);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(signals).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await ended).toEqual({ exitCode: 124, timedOut: true, cancelled: false });
    expect(signals).toEqual(["SIGTERM"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("comes by KILL when TERM does nothing for ten seconds", async () => {
    const { handle, signals } = command((name, end) => name === "SIGKILL" && end(137));
    const ended = awaitEnd(handle, 1_000);
    await vi.advanceTimersByTimeAsync(10_999);
    expect(signals).toEqual(["SIGTERM"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await ended).toEqual({ exitCode: 124, timedOut: true, cancelled: false });
    expect(signals).toEqual(["SIGTERM", "SIGKILL"]);
  });

  it("is not held up by signals that cannot be delivered", async () => {
    const { handle, end } = command(() => {
      throw new Error("no such process");
    });
    const ended = awaitEnd(handle, 1_000);
    await vi.advanceTimersByTimeAsync(20_000);
    end(3);
    expect(await ended).toEqual({ exitCode: 124, timedOut: true, cancelled: false });
  });

  it("that is not known stays unknown", async () => {
    const { handle, fail } = command();
    const ended = awaitEnd(handle, 1_000);
    fail(new Error("the connection broke"));
    await expect(ended).rejects.toThrow("the connection broke");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("comes no sooner for a limit longer than one timer can wait", async () => {
    const { handle, signals } = command((_name, end) => end(143));
    const ended = awaitEnd(handle, 60 * DAY);
    await vi.advanceTimersByTimeAsync(60 * DAY - 1);
    expect(signals).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await ended).toEqual({ exitCode: 124, timedOut: true, cancelled: false });
  });
});
