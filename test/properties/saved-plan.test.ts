import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planSchema } from "../../src/model/plan.ts";
import type { Plan } from "../../src/model/plan.ts";
import { hold } from "../../src/state/holds.ts";
import { disturb, disturbance, history, live } from "../support/fleet-arbitraries.ts";
import { Lab, acting, portrait, runs } from "../support/memory-fleet.ts";

/** As it comes back from a file. */
function saved(plan: Plan): Plan {
  return planSchema.parse(JSON.parse(JSON.stringify(plan)));
}

const sandbox = { backend: "docker", docker: { image: "img:a" } };
const moved = { sandbox: { docker: { network: "bridge" } } };

describe("a saved plan", () => {
  it("that still fits does exactly what it says", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (past) => {
        await using lab = new Lab(past);
        await live(lab, past);
        const plan = saved(await lab.plan());
        const result = await lab.applySaved(plan);
        expect(result.plan_id).toBe(plan.plan_id);
        expect(result.outcomes.filter(({ status }) => status !== "done" && status !== "skipped")).toEqual([]);
        expect(result.summary.done).toBe(acting(plan).length);
        expect(acting(await lab.plan())).toEqual([]);
      }),
      { numRuns: runs(60) },
    );
  });

  it("is refused where another fleet's config is", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: { a: {} } });
    const plan = saved(await lab.plan());
    const other = { ...plan, source: { ...plan.source, fleet: "another" } };
    await expect(lab.applySaved(other)).rejects.toMatchObject({
      code: "PLAN_OF_ANOTHER_FLEET",
      exitCode: 64,
    });
    expect(lab.objects()).toEqual([]);
  });

  it("never touches what is foreign or held by the time it is applied, whatever happened since", async () => {
    const since = fc.array(disturbance, { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(history, since, async (past, happened) => {
        await using lab = new Lab(past);
        await live(lab, past);
        const plan = saved(await lab.plan());
        for (const each of happened) await disturb(lab, each);
        const { facts } = await lab.look();
        const held = new Set(facts.holds.map(({ address }) => address));
        const untouchable = lab
          .objects()
          .filter(
            ({ decoded }) => decoded?.fleet_id !== "k3v9q2" || held.has("fleet") || held.has(decoded.address),
          );
        const before = untouchable.map((each) => portrait(each));
        await lab.applySaved(plan);
        const now = new Map(lab.objects().map((each) => [each.id, each]));
        const after = untouchable.map(({ id }) => {
          const object = now.get(id);
          return object && portrait(object);
        });
        expect(after).toEqual(before);
      }),
      { numRuns: runs(60) },
    );
  });

  it("leaves out what changed since, and does the rest", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: { a: {}, b: {}, c: {} } });
    await lab.apply();
    await lab.write({ sandbox, agents: { a: moved, b: moved, c: moved, d: {} } });
    const plan = saved(await lab.plan());
    const name = plan.changes.find(({ address }) => address === "agent/b")?.name ?? "";
    lab.world.changeBehind(name, "memory.cpus", 3);
    const result = await lab.applySaved(plan);
    expect(result.exit_code).toBe(4);
    expect(result.outcomes.map(({ address, status }) => [address, status])).toEqual([
      ["agent/a", "done"],
      ["agent/b", "stale"],
      ["agent/c", "done"],
      ["agent/d", "done"],
    ]);
    expect((await lab.apply()).result.exit_code).toBe(0);
  });

  it("creates nothing that exists by now, and removes nothing that was replaced", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: { a: {}, b: {} } });
    await lab.apply({ intent: { mode: "apply", targets: ["agent/a"] } });
    await lab.write({ sandbox, agents: { b: {} } });
    const plan = saved(await lab.plan());
    await lab.write({ sandbox, agents: { a: moved, b: {} } });
    await lab.apply({}, "two");
    await lab.write({ sandbox, agents: { b: {} } });
    const before = lab.objects().map((each) => portrait(each));
    const result = await lab.applySaved(plan);
    expect(result.summary).toMatchObject({ stale: 2, done: 0 });
    expect(lab.objects().map((each) => portrait(each))).toEqual(before);
  });

  it("waits for a hold that was set after it was made", async () => {
    await using lab = new Lab();
    // With a canary the other one would wait for its success.
    const rollout = { canary: "off" };
    await lab.write({ sandbox, rollout, agents: { a: {}, b: {} } });
    await lab.apply();
    await lab.write({ sandbox, rollout, agents: { a: moved, b: moved } });
    const plan = saved(await lab.plan());
    await hold(lab.state(), { address: "agent/a", reason: "demo", by: "me", since: lab.time.now() });
    const result = await lab.applySaved(plan);
    expect(result.exit_code).toBe(4);
    expect(result.outcomes).toMatchObject([
      { address: "agent/a", status: "stale", reason: "held since the plan: demo" },
      { address: "agent/b", status: "done" },
    ]);
  });
});
