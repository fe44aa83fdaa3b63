import { describe, expect, it } from "vitest";
import type { Plan } from "../../src/model/plan.ts";
import { applySavedPlan, planFleet, reconcile } from "../../src/reconcile.ts";
import { readJournal } from "../../src/state/journal.ts";
import { Lab } from "../support/memory-fleet.ts";

const DAY = 86_400_000;

async function fleet(lab: Lab, bytes: number, unused_ms: number): Promise<void> {
  const { world } = lab;
  world.cache = {
    bounds: { max_age: DAY, max_size: 1000 },
    use: { bytes, oldest_use: world.now() - unused_ms },
  };
  await lab.write({ sandbox: { backend: "docker", docker: { image: "img:a" } }, agents: { a: {} } });
}

async function planned(lab: Lab, more: object = {}): Promise<Plan> {
  const outcome = await planFleet(lab.engine(), {
    intent: { mode: "apply", ...more },
    detailed_exitcode: true,
  });
  if (outcome.status === "invalid") throw new Error("invalid");
  return outcome.plan;
}

const prunes = ({ world }: Lab): number => world.log.filter(({ op }) => op === "prune").length;

describe("a worker's cache", () => {
  it.each([
    [999, DAY - 60_000, undefined],
    [1001, 0, "its cache is larger than 1kB"],
    [1, DAY + 60_000, "some of its cache was not used for 1d"],
    [1001, DAY + 60_000, "some of its cache was not used for 1d, and its cache is larger than 1kB"],
  ])(
    "of %i bytes, unused for %i ms, is planned to be cut down only beyond its bounds",
    async (bytes, unused, why) => {
      await using lab = new Lab({ lifecycle: "ephemeral" });
      await fleet(lab, bytes, unused);
      const plan = await planned(lab);
      expect(plan.caches).toMatchObject([why === undefined ? { action: "no-op" } : { action: "prune", why }]);
      expect([plan.exit_code, prunes(lab)]).toEqual([why === undefined ? 0 : 2, 0]);
    },
  );

  it("is cut down by an apply, and once it is within its bounds by none", async () => {
    await using lab = new Lab({ lifecycle: "ephemeral" });
    await fleet(lab, 5000, 0);
    const before = await planned(lab);
    const apply = async () =>
      reconcile(lab.engine(), { intent: { mode: "apply" } }, { approve: () => Promise.resolve(true) });
    expect(await apply()).toMatchObject({
      status: "applied",
      plan: { plan_id: before.plan_id },
      result: { caches: [{ status: "done", error: null }], calls: { write: 1 }, exit_code: 0 },
    });
    expect([prunes(lab), lab.world.cache?.use.bytes]).toEqual([1, 1000]);
    expect((await planned(lab)).caches).toMatchObject([{ action: "no-op" }]);
    const again = await apply();
    expect(again).toMatchObject({ result: { calls: { write: 0 } } });
    expect([prunes(lab), Object.keys(again)]).toEqual([1, expect.not.arrayContaining(["caches"])]);
    await applySavedPlan(lab.engine(), before, {});
    expect(prunes(lab), "a saved plan is done as it is").toBe(2);
  });

  it("that cannot be cut down fails the apply, and is tried again with the next", async () => {
    await using lab = new Lab({ lifecycle: "ephemeral" });
    await fleet(lab, 5000, 0);
    lab.world.inject({ op: "prune", effect: { kind: "fail", when: "before", as: "transient" } });
    const apply = async () =>
      reconcile(lab.engine(), { intent: { mode: "apply" } }, { approve: () => Promise.resolve(true) });
    expect(await apply()).toMatchObject({
      result: {
        caches: [{ status: "failed", error: expect.any(String) }],
        calls: { write: 1 },
        exit_code: 1,
      },
    });
    expect(await apply()).toMatchObject({ result: { caches: [{ status: "done" }], exit_code: 0 } });
  });

  it("of a saved plan is cut down to what was planned, and is told where the config no longer has it", async () => {
    await using lab = new Lab({ lifecycle: "ephemeral" });
    await fleet(lab, 5000, 0);
    const plan = await planned(lab);
    const { world } = lab;
    world.cache = { bounds: { max_age: DAY, max_size: 10 }, use: { bytes: 5000, oldest_use: world.now() } };
    expect(await applySavedPlan(lab.engine(), plan, {})).toMatchObject({
      result: { caches: [{ status: "done" }] },
    });
    expect(world.cache.use.bytes, "not what the config says by now").toBe(1000);
    const elsewhere = (plan.caches ?? []).map((each) => ({ ...each, host: "gone" }));
    expect(await applySavedPlan(lab.engine(), { ...plan, caches: elsewhere }, {})).toMatchObject({
      result: {
        caches: [{ status: "failed", error: expect.stringContaining("no longer names") }],
        exit_code: 4,
      },
    });
  });

  it("is cut down as any other step: journaled, and with its own failure's exit code", async () => {
    await using lab = new Lab({ lifecycle: "ephemeral" });
    await fleet(lab, 5000, 0);
    lab.world.inject({ op: "prune", effect: { kind: "fail", when: "before", as: "unreachable" } });
    const apply = async () =>
      reconcile(lab.engine(), { intent: { mode: "apply" } }, { approve: () => Promise.resolve(true) });
    expect(await apply()).toMatchObject({ result: { exit_code: 69 } });
    lab.time.advance(1000);
    await apply();
    const entries = (await readJournal(lab.state(), { limit: 10 })).filter(({ op }) => op === "prune-cache");
    expect(entries.map(({ phase, status }) => [phase, status])).toEqual([
      ["result", "done"],
      ["intent", undefined],
      ["result", "failed"],
      ["intent", undefined],
    ]);
  });

  it("is left alone by what is about one address, and when it cannot be seen", async () => {
    await using lab = new Lab({ lifecycle: "ephemeral" });
    await fleet(lab, 5000, 0);
    expect((await planned(lab, { targets: ["agent/a"] })).caches).toBeUndefined();
    lab.world.cache = undefined;
    expect((await planned(lab)).caches).toBeUndefined();
  });
});
