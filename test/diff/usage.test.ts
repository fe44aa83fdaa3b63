import { describe, expect, it } from "vitest";
import { busyWords, usageIndex } from "../../src/diff/usage.ts";
import type { Facts } from "../../src/model/facts.ts";
import type { ObservedRuntime } from "../../src/model/observed.ts";
import { HOUR, NOW, factsOf, found, wish } from "../support/runtimes.ts";

const desired = wish();

function usage(facts: Partial<Facts>, more: Partial<ObservedRuntime> = {}) {
  const { labels: _, ...rest } = more;
  const runtime = found(desired, { created_at: NOW - 50 * HOUR, started_at: NOW - 40 * HOUR, ...rest });
  return usageIndex(factsOf(facts), NOW).usage(desired.address, runtime);
}

const run = (started_at: number, address: string = desired.address) => ({
  run_id: `r${started_at}`,
  address,
  agent: "a",
  session: "main",
  started_at,
});

describe("how long a runtime has been idle", () => {
  it.each<[string, Partial<Facts>, Partial<ObservedRuntime>, number | undefined]>([
    ["unknown to a machine that never saw or used it", {}, {}, undefined],
    [
      "unknown, though others were used",
      { activity: { "agent/b": NOW }, sightings: { other: NOW } },
      {},
      undefined,
    ],
    ["since the last use", { activity: { "agent/a": NOW - 3 * HOUR } }, {}, 3],
    ["since the first sighting", { sightings: { "object-1": NOW - 5 * HOUR } }, {}, 5],
    [
      "since the later of the two",
      { activity: { "agent/a": NOW - 9 * HOUR }, sightings: { "object-1": NOW - 5 * HOUR } },
      {},
      5,
    ],
    ["since its start, where that is later", { sightings: { "object-1": NOW - 45 * HOUR } }, {}, 40],
    [
      "since its creation, where it does not run",
      { activity: { "agent/a": NOW - 90 * HOUR } },
      { state: "stopped", started_at: NOW - 50 * HOUR },
      50,
    ],
    ["not at all, when a clock runs ahead", { activity: { "agent/a": NOW + HOUR } }, {}, 0],
  ])("%s", (_title, facts, more, hours) => {
    const { idle_ms, busy, age_ms } = usage(facts, more);
    expect(idle_ms).toBe(hours === undefined ? undefined : hours * HOUR);
    expect(busy).toBe(0);
    expect(age_ms).toBe(50 * HOUR);
  });

  it("is not at all while it is busy: open runs of ours and execs of the engine", () => {
    const facts = { open_runs: [run(NOW - 2 * HOUR), run(NOW - 3 * HOUR), run(NOW - 9 * HOUR, "agent/b")] };
    expect(usage(facts, { execs: 2 })).toEqual({
      busy: 2,
      busy_since: NOW - 3 * HOUR,
      runs: [run(NOW - 3 * HOUR), run(NOW - 2 * HOUR)],
      idle_ms: 0,
      last_used: NOW,
      age_ms: 50 * HOUR,
    });
    // The engine reports our own runs as well.
    expect(usage(facts, { execs: 5 }).busy).toBe(5);
    expect(usage({}, { execs: 1 })).toMatchObject({ busy: 1, idle_ms: 0 });
  });

  it("never counts an age below zero", () => {
    expect(usage({}, { created_at: NOW + HOUR }).age_ms).toBe(0);
  });
});

describe("who keeps a runtime busy", () => {
  it.each<[Parameters<typeof busyWords>[0], string]>([
    [{ busy: 1, runs: [run(NOW - 2 * HOUR)] }, `1 run: r${NOW - 2 * HOUR} of a:main for 2h`],
    [{ busy: 1 }, "1 run that the engine reports"],
    [
      { busy: 7, runs: [9, 8, 7, 6].map((hours) => run(NOW - hours * HOUR)) },
      `7 runs: ${[9, 8, 7].map((hours) => `r${NOW - hours * HOUR} of a:main for ${hours}h`).join(", ")}, 1 more of ours, 3 that the engine reports`,
    ],
  ])("%j is told by name, and since when", (busy, words) => {
    expect(busyWords(busy, NOW)).toBe(words);
  });
});
