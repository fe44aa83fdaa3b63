// As killed-taking, where what was written in a runtime must be kept before the runtime goes: none is ever lost unkept.
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KEEPING_FLOWS } from "./flows.ts";
import { strikeAll } from "./strike.ts";

// A process that hangs in this one must not go on with its heartbeats when it is counted as dead.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval"] }));
afterEach(() => void vi.useRealTimers());

const size = { cases: 0, calls: 0 };
afterAll(() => {
  process.stdout.write(
    `keeping: ${size.cases} cases over ${size.calls} driver calls of ${KEEPING_FLOWS.length} flows\n`,
  );
});

describe.each(KEEPING_FLOWS)("$name", (flow) => {
  it.each(["process", "directory"] as const)(
    "is put right by the next apply, and nothing goes unkept, wherever it was interrupted (%s)",
    async (lifecycle) => {
      const { calls, cases, failures } = await strikeAll(flow, lifecycle);
      size.calls += calls;
      size.cases += cases;
      expect(failures).toEqual([]);
    },
  );
});
