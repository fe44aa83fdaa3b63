// Every driver call of what makes, changes and removes networks, each struck by every kind of fault; one more apply must put all right.
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NETWORKING } from "./flows.ts";
import { strikeAll } from "./strike.ts";

// A process that hangs in this one must not go on with its heartbeats when it is counted as dead.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval"] }));
afterEach(() => void vi.useRealTimers());

const size = { cases: 0, calls: 0 };
afterAll(() => {
  process.stdout.write(
    `networking: ${size.cases} cases over ${size.calls} driver calls of ${NETWORKING.length} flows\n`,
  );
});

describe.each(NETWORKING)("$name", (flow) => {
  it.each(flow.lifecycles ?? (["process", "directory"] as const))(
    "is put right by the next apply, wherever it was interrupted (%s)",
    async (lifecycle) => {
      const { calls, cases, failures } = await strikeAll(flow, lifecycle);
      size.calls += calls;
      size.cases += cases;
      expect(failures).toEqual([]);
    },
  );
});
