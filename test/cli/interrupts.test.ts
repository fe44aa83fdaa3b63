import { EventEmitter } from "node:events";
import { describe, expect, test } from "vitest";
import { forwardSignals } from "../../src/cli/forwarding.ts";
import { catchInterrupts } from "../../src/cli/interrupts.ts";

describe("interrupts", () => {
  test("the first signal asks, the second leaves with its own code", () => {
    const source = new EventEmitter();
    const left: number[] = [];
    const told: string[] = [];
    {
      using interrupts = catchInterrupts({
        source,
        onFirst: (name) => told.push(name),
        onSecond: (code) => left.push(code),
      });
      expect([interrupts.soft.aborted, interrupts.received()]).toEqual([false, undefined]);
      source.emit("SIGINT");
      expect([interrupts.soft.aborted, interrupts.hard.aborted, left]).toEqual([true, false, []]);
      source.emit("SIGTERM");
      expect([interrupts.hard.aborted, interrupts.received(), told, left]).toEqual([
        true,
        "SIGINT",
        ["SIGINT"],
        [143],
      ]);
    }
    expect(source.listenerCount("SIGINT") + source.listenerCount("SIGTERM")).toBe(0);
  });
});

describe("forwarding", () => {
  test("signals end us before the command started, and are the command's afterwards", () => {
    const source = new EventEmitter();
    const left: number[] = [];
    const forwarded: string[] = [];
    {
      using signals = forwardSignals((code) => left.push(code), source);
      source.emit("SIGTERM");
      signals.started({
        signal: (name) => {
          forwarded.push(name);
          return Promise.reject(new Error("it has ended"));
        },
      });
      for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) source.emit(name);
    }
    expect(left).toEqual([143]);
    expect(forwarded).toEqual(["SIGINT", "SIGTERM", "SIGHUP"]);
    expect(source.eventNames()).toEqual([]);
  });

  test("Ctrl-C leaves us alone while the command shares our terminal", () => {
    const source = new EventEmitter();
    const left: number[] = [];
    using signals = forwardSignals((code) => left.push(code), source);
    signals.sharesTerminal();
    source.emit("SIGINT");
    expect(left).toEqual([]);
    source.emit("SIGHUP");
    expect(left).toEqual([129]);
  });
});
