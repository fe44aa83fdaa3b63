import { expect, test } from "vitest";
import type { ProbeReason } from "../../src/model/posture.ts";
import { explainFleet } from "../../src/plan/explain.ts";
import { fleetPosture } from "../../src/plan/posture.ts";
import { Lab } from "../support/memory-fleet.ts";

const LACK: ProbeReason = {
  code: "memory-limit-unsupported",
  message: "memory cannot be limited",
  fix: "use another",
};

/** Agent a asks for memory that the engine cannot limit, and b for none. */
async function lacking(agents: object): Promise<Lab> {
  const lab = new Lab();
  await lab.write({ sandbox: { backend: "docker", docker: { image: "img:a" } }, agents });
  lab.world.lacks = ({ options }) => (typeof options["memory"] === "number" ? [LACK] : []);
  return lab;
}

const ASKING = { sandbox: { docker: { memory: "64MiB" } } };

test("nothing is made of what a host cannot keep, and what it can keep goes on", async () => {
  await using lab = await lacking({ a: ASKING, b: {} });
  const plan = await lab.plan();
  expect(plan.graph.filter(({ op }) => op === "create").map(({ address }) => address)).toEqual(["agent/b"]);
  expect(plan.blocked).toMatchObject([{ address: "agent/a", rule: "host", fix: LACK.fix, deferred: false }]);
  expect(plan.blocked[0]?.why).toContain(`${LACK.message} (${LACK.code})`);
  expect(plan.exit_code).toBe(3);
  const { result } = await lab.apply();
  expect(result.exit_code).toBe(3);
  expect(lab.primaries().map(({ decoded }) => decoded?.address)).toEqual(["agent/b"]);
});

test("a runtime that is as it should be is left alone, and a change of it is not tried", async () => {
  await using lab = await lacking({ a: ASKING });
  lab.world.lacks = () => [];
  await lab.apply();
  lab.world.lacks = () => [LACK];
  expect((await lab.plan()).blocked).toEqual([]);
  await lab.write({
    sandbox: { backend: "docker", docker: { image: "img:a" } },
    agents: { a: { sandbox: { docker: { memory: "128MiB" } } } },
  });
  expect((await lab.plan()).blocked).toMatchObject([{ address: "agent/a", rule: "host" }]);
});

test.each([
  [{ a: ASKING, b: {} }, "degraded"],
  [{ a: ASKING }, "unavailable"],
])("explain and status tell it with its fix: %j is %s", async (agents, status) => {
  await using lab = await lacking(agents);
  const explained = await explainFleet(lab.engine(), {});
  if (explained.status === "invalid") throw new Error(JSON.stringify(explained));
  const told = { status, reasons: [LACK], probed: true };
  expect(explained.explanation.posture).toMatchObject([told]);
  const posture = await fleetPosture(lab.engine(), { probe: true });
  if (posture.status === "invalid") throw new Error(JSON.stringify(posture));
  expect(posture.posture.engines).toMatchObject([told]);
});
