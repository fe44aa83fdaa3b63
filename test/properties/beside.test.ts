// What may stand beside the one runtime of an address: seconds, leftovers, strangers and runtimes of passing roles.
import { describe, expect, it } from "vitest";
import type { MemoryObject } from "../../src/drivers/memory/machine.ts";
import type { RuntimeLabels } from "../../src/model/labels.ts";
import { decideAll, planFrom } from "../../src/plan/decide.ts";
import { listFleet } from "../../src/plan/listing.ts";
import { hold } from "../../src/state/holds.ts";
import { HOUR, Lab, acting, occupy, plant, portrait } from "../support/memory-fleet.ts";

const sandbox = { backend: "docker", docker: { image: "img:a" }, prune: { idle: "off" } };
const moved = { sandbox: { docker: { network: "bridge" } } };

async function made(agent: object = {}): Promise<{ lab: Lab; object: MemoryObject; labels: RuntimeLabels }> {
  const lab = new Lab();
  await lab.write({ sandbox, agents: { a: agent } });
  await lab.apply();
  const [object] = lab.objects();
  if (object?.decoded === undefined) throw new Error("nothing was made");
  return { lab, object, labels: object.decoded };
}

describe("a runtime of a passing role", () => {
  it("is held with its address, is no orphan, and goes with the primary's own change", async () => {
    const { lab: own, object, labels } = await made();
    await using lab = own;
    const expires_at = lab.time.now() - HOUR;
    const passing = { ...labels, role: "canary" as const, name: "canary", expires_at };
    const canary = plant(lab, object, { name: "canary", labels: passing, state: "running" });
    if (canary === undefined) throw new Error("the name is taken");
    const held = { address: "agent/a", reason: "mine", by: "me", since: 0, until: lab.time.now() + HOUR };
    await hold(lab.state(), held);
    const before = portrait(canary);
    expect((await lab.apply()).plan.held).toHaveLength(2);
    expect(portrait(canary)).toBe(before);
    const answer = await listFleet(lab.engine(), {});
    expect(answer).toMatchObject({ listing: { orphans: [], runtimes: [{}, {}] } });
    lab.time.advance(2 * HOUR);
    await lab.write({ sandbox, agents: { a: moved } });
    const { result } = await lab.apply();
    expect(result).toMatchObject({ exit_code: 0, outcomes: [{ status: "done" }, { status: "done" }] });
    expect(lab.objects().map(({ name }) => name)).toEqual([labels.name]);
  });
});

describe("a hold that ends before the time a plan is made for", () => {
  it("holds nothing then", async () => {
    const { lab: own } = await made();
    await using lab = own;
    await lab.write({ sandbox, agents: { a: moved } });
    const until = lab.time.now() + HOUR;
    await hold(lab.state(), { address: "agent/a", reason: "mine", by: "me", since: 0, until });
    expect(acting(await lab.plan())).toEqual([]);
    expect((await lab.plan({ at: 2 * HOUR })).summary).toMatchObject({ recreate: 1, held: 0 });
  });
});

describe("a stranger", () => {
  it.each([".new", ".old"])(
    "under the name with %s blocks a replacement before anything is stopped",
    async (slot) => {
      const { lab: own, object } = await made();
      await using lab = own;
      lab.world.addForeign(`${object.name}${slot}`);
      await lab.write({ sandbox, agents: { a: moved } });
      lab.writes();
      const { plan, result } = await lab.apply();
      expect(plan.blocked).toMatchObject([{ rule: "foreign" }]);
      expect(result.exit_code).toBe(3);
      expect(lab.writes()).toBe(0);
    },
  );

  it("under the name of a runtime that was renamed keeps the name", async () => {
    const { lab: own, object, labels } = await made();
    await using lab = own;
    lab.world.renameBehind(object.name, "elsewhere");
    lab.world.addForeign(labels.name);
    const { plan, result } = await lab.apply();
    expect(plan.blocked).toMatchObject([{ rule: "foreign" }]);
    expect(result.exit_code).toBe(3);
    await lab.intent({ mode: "destroy", unprotect: false });
    expect(lab.objects().map(({ name }) => name)).toEqual([labels.name]);
  });
});

describe("a second runtime of an address", () => {
  it("goes, unless it is protected or in use", async () => {
    const { lab: own, object, labels } = await made();
    await using lab = own;
    const twin = plant(lab, object, { name: "twin", labels, state: "running" });
    if (twin === undefined) throw new Error("the name is taken");
    const end = occupy(twin);
    expect((await lab.apply()).plan.blocked).toMatchObject([{ rule: "busy", deferred: true }]);
    end();
    await lab.write({ sandbox: { ...sandbox, protect: true }, agents: { a: {} } });
    expect((await lab.apply()).plan.blocked).toMatchObject([{ rule: "protected" }]);
    expect(lab.objects()).toHaveLength(2);
    await lab.write({ sandbox, agents: { a: {} } });
    expect((await lab.apply()).result.exit_code).toBe(0);
    expect(lab.objects()).toEqual([object]);
  });

  it("is chosen by what it is, not by where the engine lists it", async () => {
    const { lab: own, object, labels } = await made();
    await using lab = own;
    lab.world.renameBehind(object.name, "first");
    plant(lab, object, { name: "second", labels: { ...labels, name: "another" }, state: "running" });
    await lab.write({ sandbox, agents: { b: {} } });
    const seen = await lab.look();
    const request = { intent: { mode: "apply" } } as const;
    const turned = seen.observations.map((each) =>
      each.status === "complete" ? { ...each, runtimes: each.runtimes.toReversed() } : each,
    );
    const plans = [seen.observations, turned].map((observations) => {
      const other = { ...seen, observations };
      return planFrom(other, decideAll(other, request), request, "0");
    });
    expect(plans[1]).toEqual(plans[0]);
  });
});
