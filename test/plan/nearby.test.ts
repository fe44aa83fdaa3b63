import { expect, test } from "vitest";
import type { Plan } from "../../src/model/plan.ts";
import { Lab, REMOTE, acting } from "../support/memory-fleet.ts";

// A look at some addresses that asks no engine but those that they belong on.

async function declare(lab: Lab, agents: object): Promise<void> {
  await lab.write({ hosts: REMOTE, sandbox: { backend: "docker", docker: { image: "img:a" } }, agents });
}

const far = { sandbox: { host: "b1" } };

const nearby = (lab: Lab, ...targets: string[]) =>
  lab.apply({ intent: { mode: "apply", targets } }, "one", { nearby: true });

const observed = ({ observed: engines }: Plan): string[] => engines.map(({ host }) => host);

/** Hosts that hold something of the fleet. */
const holding = (lab: Lab): string[] => lab.primaries().map(({ id }) => lab.hostOf(id));

test("asks only the engine that they belong on, and mends what is there", async () => {
  await using lab = new Lab();
  await declare(lab, { a: {}, b: far });
  await lab.apply();
  lab.world.machine("b1").reachable = false;
  for (const { id, name } of lab.primaries()) lab.world.removeBehind(name, lab.hostOf(id));
  const { plan, result } = await nearby(lab, "agent/a");
  expect(observed(plan)).toEqual(["local"]);
  expect([plan.complete, result.exit_code]).toEqual([true, 0]);
  expect(holding(lab)).toEqual(["local"]);
  const both = await nearby(lab, "agent/a", "agent/b");
  expect(observed(both.plan)).toEqual(["b1", "local"]);
  expect(both.plan.complete).toBe(false);
});

test("makes one that has moved where it belongs now, and the next look at everything removes what it left", async () => {
  await using lab = new Lab();
  await declare(lab, { a: {} });
  await lab.apply();
  await declare(lab, { a: far });
  const { plan } = await nearby(lab, "agent/a");
  expect(observed(plan)).toEqual(["b1"]);
  expect(holding(lab)).toEqual(["local", "b1"]);
  expect(acting((await nearby(lab, "agent/a")).plan)).toEqual([]);
  await lab.apply();
  expect(holding(lab)).toEqual(["b1"]);
});

test("asks every engine for one that belongs nowhere", async () => {
  await using lab = new Lab();
  await declare(lab, { a: {}, b: far });
  await lab.apply();
  await declare(lab, { b: far });
  const { plan } = await nearby(lab, "agent/a");
  expect(observed(plan)).toEqual(["b1", "local"]);
  expect(plan.orphans).toMatchObject([{ address: "agent/a", host: "local" }]);
});

test("makes no session that nobody has begun", async () => {
  await using lab = new Lab();
  await declare(lab, { a: { sandbox: { scope: "session" } } });
  const { plan } = await nearby(lab, "session/agent:a:new");
  expect(observed(plan)).toEqual(["local"]);
  expect(acting(plan)).toEqual([]);
});
