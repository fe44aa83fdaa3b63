import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Lane } from "../../src/state/lane-order.ts";
import {
  admit,
  emptyLane,
  join,
  running,
  swept,
  turnKey,
  waiting,
  without,
} from "../../src/state/lane-order.ts";

const PROCESS = { pid: 1, start_time: "1", boot_id: "b", pid_namespace: "p", host: "h" };

function ticket(id: string, agent: string) {
  return {
    id,
    fleet: "f",
    agent,
    session: "main",
    run_id: id,
    address: `agent/${agent}`,
    process: PROCESS,
    queued_at: 0,
    heartbeat_at: 0,
  };
}

type Step =
  { readonly do: "come"; readonly agent: string } | { readonly do: "end" | "die"; readonly nth: number };

const steps = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant("come" as const), agent: fc.constantFrom("a", "b", "c") }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constantFrom("end" as const, "die" as const), nth: fc.nat(5) }),
    },
  ),
  { maxLength: 40 },
);
const bounds = fc.record({ max_parallel: fc.integer({ min: 1, max: 3 }), queue_capacity: fc.nat(6) });

interface Played {
  readonly lane: Lane;
  readonly before: Lane;
  readonly refused: boolean;
}

/** Every state that the steps lead through. */
function play(all: readonly Step[], limits: { max_parallel: number; queue_capacity: number }): Played[] {
  let lane = emptyLane("buildkit@x", limits);
  return all.map((step, index) => {
    const before = lane;
    let refused = false;
    if (step.do === "come") {
      const joined = join(lane, ticket(`t${index}`, step.agent), limits, index);
      refused = joined === undefined;
      lane = joined ?? lane;
    } else {
      const holders = running(lane);
      const gone = holders[step.nth % Math.max(1, holders.length)];
      if (gone !== undefined) {
        const left = step.do === "end" ? without(lane, gone.id) : swept(lane, (each) => each.id === gone.id);
        lane = admit(left, limits, index);
      }
    }
    return { lane, before, refused };
  });
}

describe("turns on an endpoint", () => {
  it("never has more at work or waiting than its bounds, and leaves no room unused", () => {
    fc.assert(
      fc.property(steps, bounds, (all, limits) => {
        for (const { lane } of play(all, limits)) {
          const waits = waiting(lane).length;
          expect(running(lane).length).toBeLessThanOrEqual(limits.max_parallel);
          expect(waits).toBeLessThanOrEqual(limits.queue_capacity);
          if (waits > 0) expect(running(lane)).toHaveLength(limits.max_parallel);
        }
      }),
    );
  });

  it("refuses only when all places are taken, and then changes nothing", () => {
    fc.assert(
      fc.property(steps, bounds, (all, limits) => {
        for (const { before, lane, refused } of play(all, limits)) {
          if (!refused) continue;
          expect(lane).toBe(before);
          expect(running(before)).toHaveLength(limits.max_parallel);
          expect(waiting(before)).toHaveLength(limits.queue_capacity);
        }
      }),
    );
  });

  it("keeps each agent's commands in order", () => {
    fc.assert(
      fc.property(steps, bounds, (all, limits) => {
        for (const { lane } of play(all, limits)) {
          for (const waits of waiting(lane)) {
            const later = running(lane).filter(
              (each) => turnKey(each) === turnKey(waits) && each.arrival > waits.arrival,
            );
            expect(later).toEqual([]);
          }
        }
      }),
    );
  });

  it("gives no agent two turns while another waits for its first", () => {
    fc.assert(
      fc.property(steps, bounds, (all, limits) => {
        // Since when each agent waits without a turn, and who had one meanwhile.
        const turns = new Map<string, string[]>();
        for (const { before, lane } of play(all, limits)) {
          const had = new Set(running(before).map((each) => each.id));
          const started = running(lane).filter((each) => !had.has(each.id));
          for (const each of started.toSorted((a, b) => a.arrival - b.arrival)) {
            turns.delete(turnKey(each));
            for (const [agent, seen] of turns) {
              expect([agent, seen], "served twice").not.toContain(turnKey(each));
              turns.set(agent, [...seen, turnKey(each)]);
            }
          }
          const waits = new Set(waiting(lane).map((each) => turnKey(each)));
          for (const agent of turns.keys()) if (!waits.has(agent)) turns.delete(agent);
          for (const agent of waits) if (!turns.has(agent)) turns.set(agent, []);
        }
        for (const [, seen] of turns) expect(new Set(seen).size).toBe(seen.length);
      }),
    );
  });

  it("tells the order in which they will begin", () => {
    fc.assert(
      fc.property(steps, bounds, (all, limits) => {
        for (const { lane } of play(all, limits)) {
          const told = waiting(lane).map((each) => each.id);
          const began: string[] = [];
          let at = lane;
          while (waiting(at).length > 0) {
            const [first] = running(at);
            if (first === undefined) break;
            const next = admit(without(at, first.id), limits, 1_000_000 + began.length);
            const had = new Set(running(at).map((each) => each.id));
            began.push(...running(next).flatMap((each) => (had.has(each.id) ? [] : [each.id])));
            at = next;
          }
          expect(began).toEqual(told);
        }
      }),
    );
  });
});
