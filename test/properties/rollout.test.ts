import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Change } from "../../src/model/plan.ts";
import { Lab, portrait, runs } from "../support/memory-fleet.ts";

const NAMES = ["a", "b", "c", "d", "e", "f", "g"] as const;

const settings = fc.record({
  max_parallel: fc.constantFrom<number | "off">("off", 1, 2, 3),
  canary: fc.constantFrom<number | "off">("off", 1, 2),
  pause_on_failure: fc.boolean(),
});

/**
 * What the edit does to each agent: to none, one or several of three fields, one of which changes in place, so that rollouts
 * overlap and differ.
 */
const edits = fc.array(
  fc.constantFrom(
    {},
    { network: "bridge" },
    { image: "img:b" },
    { network: "bridge", image: "img:b" },
    { memory: "2GiB" },
    { memory: "2GiB", image: "img:b" },
  ),
  {
    minLength: NAMES.length,
    maxLength: NAMES.length,
  },
);
const stories = fc.record({
  settings,
  edits,
  /** Agents that do not get healthy with what the edit brings. */
  sick: fc.subarray([...NAMES], { maxLength: 3 }),
});
type Story = typeof stories extends fc.Arbitrary<infer T> ? T : never;

const config = (story: Story, after: boolean): object => ({
  rollout: story.settings,
  sandbox: { backend: "docker", docker: { image: "img:a", memory: "1GiB" } },
  agents: Object.fromEntries(
    NAMES.map((name, index) => [name, { sandbox: { docker: after ? (story.edits[index] ?? {}) : {} } }]),
  ),
});

async function edited(lab: Lab, story: Story): Promise<void> {
  await lab.write(config(story, false));
  await lab.apply();
  // Nobody asks for the health of one that the edit leaves alone.
  const sick = new Set(story.sick.map((name) => `agent/${name}`));
  lab.world.healthScript = (name) => {
    const object = lab.objects().find((each) => each.name === name);
    return sick.has(object?.decoded?.address ?? "") ? { health: "unhealthy" } : {};
  };
  await lab.write(config(story, true));
  lab.events.length = 0;
}

interface Span {
  readonly begin: number;
  readonly end: number;
}

/** From its first step to its end, by the order of the events; addresses that were not begun have none. */
function spans(lab: Lab): Map<string, Span> {
  const begun = new Map<string, number>();
  const found = new Map<string, Span>();
  for (const [index, event] of lab.events.entries()) {
    if (event.type === "step.started" && event.op !== "fetch" && !begun.has(event.address)) {
      begun.set(event.address, index);
    }
    const begin = event.type === "change.finished" ? begun.get(event.address) : undefined;
    if (event.type === "change.finished" && begin !== undefined)
      found.set(event.address, { begin, end: index });
  }
  return found;
}

const rolled = (changes: readonly Change[]): Change[] => changes.filter(({ rollout }) => rollout !== null);

describe("a rollout", () => {
  it("touches nothing that waits for what failed, and the rest of it converges", async () => {
    await fc.assert(
      fc.asyncProperty(stories, async (story) => {
        await using lab = new Lab();
        await edited(lab, story);
        const before = new Map(lab.objects().map((each) => [each.decoded?.address ?? "", portrait(each)]));
        const { plan, result } = await lab.apply();
        const outcome = new Map(result.outcomes.map((each) => [each.address, each]));
        const left = new Map(lab.objects().map((each) => [each.decoded?.address ?? "", portrait(each)]));
        const failed = new Set(story.sick.map((name) => `agent/${name}`));
        for (const { address, rollout } of rolled(plan.changes)) {
          const status = outcome.get(address)?.status;
          // The only ones that fail are the sick, and only what waits for one of its own rollout is skipped.
          if (status === "rolled_back" || status === "failed") expect(failed).toContain(address);
          else if (status === "skipped") {
            expect(rollout?.pauses).toBe(true);
            expect(left.get(address)).toBe(before.get(address));
            const cause = rollout?.waits_for.some((each) => outcome.get(each)?.status !== "done");
            expect(cause).toBe(true);
          } else {
            expect(status).toBe("done");
            expect(failed).not.toContain(address);
          }
        }
        const canaries = rolled(plan.changes).filter(
          ({ address, rollout }) => rollout?.canary === true && failed.has(address),
        );
        for (const canary of canaries) {
          const causes = new Set(canary.rollout?.causes);
          const others = rolled(plan.changes).filter(
            ({ address, rollout }) =>
              address !== canary.address &&
              rollout?.canary === false &&
              rollout.causes.some((each) => causes.has(each)),
          );
          if (!story.settings.pause_on_failure) continue;
          expect(others.filter(({ address }) => left.get(address) !== before.get(address))).toEqual([]);
        }
        const anyFailed = result.outcomes.some(
          ({ status }) => status === "rolled_back" || status === "failed",
        );
        expect(result.exit_code).toBe(anyFailed ? 5 : 0);
        lab.world.healthScript = () => ({});
        expect((await lab.apply()).result.exit_code).toBe(0);
        expect((await lab.plan()).summary.no_op).toBe(NAMES.length);
      }),
      { numRuns: runs(60) },
    );
  });

  it("never replaces more than max_parallel at once, and nothing before what it waits for has ended", async () => {
    await fc.assert(
      fc.asyncProperty(stories, async (story) => {
        await using lab = new Lab();
        await edited(lab, story);
        const { plan } = await lab.apply();
        const found = spans(lab);
        const most = story.settings.max_parallel === "off" ? NAMES.length : story.settings.max_parallel;
        for (const { begin } of found.values()) {
          const open = [...found.values()].filter((each) => each.begin <= begin && begin < each.end);
          expect(open.length).toBeLessThanOrEqual(most);
        }
        for (const { address, rollout } of rolled(plan.changes)) {
          const own = found.get(address);
          for (const other of rollout?.waits_for ?? []) {
            if (own !== undefined) expect(found.get(other)?.end ?? -1).toBeLessThan(own.begin);
          }
        }
      }),
      { numRuns: runs(60) },
    );
  });
});
