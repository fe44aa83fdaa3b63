import { expect, test } from "vitest";
import type { Survey } from "../../src/plan/survey.ts";
import { Lab } from "../support/memory-fleet.ts";

// Targets that depend on what there is: they are chosen from the look that the plan is made from.

async function fleet(): Promise<Lab> {
  const lab = new Lab();
  await lab.write({ sandbox: { backend: "docker", docker: { image: "img:a" } }, agents: { a: {}, b: {} } });
  await lab.apply();
  lab.world.resetCalls();
  return lab;
}

const idOf = (lab: Lab, address: string): string | undefined =>
  lab.primaries().find(({ decoded }) => decoded?.address === address)?.id;

async function recreate(lab: Lab, choose: (seen: Survey) => readonly string[]) {
  return await lab.apply({ intent: { mode: "recreate", targets: [] } }, "one", {
    choose: async (seen) => choose(seen),
  });
}

test("all there is can be chosen from, and what was not chosen is left alone", async () => {
  await using lab = await fleet();
  const before = { a: idOf(lab, "agent/a"), b: idOf(lab, "agent/b") };
  let seen: readonly string[] = [];
  const { plan, result } = await recreate(lab, ({ observations }) => {
    seen = observations.flatMap((each) =>
      each.status === "complete" ? each.runtimes.map(({ labels }) => labels.address) : [],
    );
    return ["agent/b"];
  });
  expect(seen.toSorted()).toEqual(["agent/a", "agent/b"]);
  expect(plan.changes.filter(({ actions }) => actions[0] !== "no-op")).toMatchObject([
    { address: "agent/b", actions: ["recreate"] },
  ]);
  expect(result.exit_code).toBe(0);
  expect(idOf(lab, "agent/a")).toBe(before.a);
  expect(idOf(lab, "agent/b")).not.toBe(before.b);
});

test("the engine is looked at once for choosing and planning", async () => {
  await using lab = await fleet();
  await recreate(lab, () => ["agent/a", "agent/b"]);
  expect(lab.world.log.filter(({ op }) => op === "observe")).toHaveLength(1);
});

test("nothing chosen is nothing done, and what cannot be chosen ends it", async () => {
  await using lab = await fleet();
  const { result } = await recreate(lab, () => []);
  expect(result).toMatchObject({ exit_code: 0, outcomes: [] });
  const refused = recreate(lab, () => {
    throw new Error("it could be either");
  });
  await expect(refused).rejects.toThrow("it could be either");
  expect(lab.writes()).toBe(0);
  // The fleet is free again.
  expect((await lab.apply()).result.exit_code).toBe(0);
});
