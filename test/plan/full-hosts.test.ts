import { expect, test } from "vitest";
import { Lab, REMOTE } from "../support/memory-fleet.ts";

async function holding(lab: Lab, max_runtimes: number, agents: object): Promise<void> {
  await lab.write({
    hosts: { b1: { ...REMOTE.b1, max_runtimes } },
    sandbox: { backend: "docker", host: "b1", docker: { image: "img:a" } },
    agents,
  });
}

const madeIn = (lab: Lab): string[] => lab.primaries().map(({ decoded }) => String(decoded?.address));

test("a host gets no more than max_runtimes, and the rest is blocked with a reason", async () => {
  await using lab = new Lab();
  await holding(lab, 2, { a: {}, b: {}, c: {}, d: { sandbox: { host: "local" } } });
  const { plan, result } = await lab.apply();
  expect(plan.blocked).toMatchObject([
    {
      address: "agent/c",
      rule: "host",
      why: expect.stringContaining("host b1 may hold no more than max_runtimes = 2") as unknown,
      fix: expect.stringContaining("hosts.b1.max_runtimes") as unknown,
    },
  ]);
  expect([plan.exit_code, result.exit_code]).toEqual([3, 3]);
  expect(madeIn(lab).toSorted((a, b) => a.localeCompare(b))).toEqual(["agent/a", "agent/b", "agent/d"]);
  // Asked for by name, it finds the others there all the same.
  const named = await lab.plan({ intent: { mode: "apply", targets: ["agent/c"] } });
  expect(named.blocked).toMatchObject([{ address: "agent/c", rule: "host" }]);
});

test("what is not asked for takes no room", async () => {
  await using lab = new Lab();
  await holding(lab, 1, { a: {}, b: {} });
  await lab.intent({ mode: "apply", targets: ["agent/b"] });
  expect(madeIn(lab)).toEqual(["agent/b"]);
});

test("a full host's runtimes are made anew, and there is room again once one is gone", async () => {
  await using lab = new Lab();
  await holding(lab, 1, { a: {}, b: {} });
  await lab.apply();
  await lab.intent({ mode: "recreate", targets: ["agent/a"] });
  expect(madeIn(lab)).toEqual(["agent/a"]);
  await holding(lab, 1, { b: {} });
  expect((await lab.apply()).plan.blocked).toMatchObject([{ address: "agent/b" }]);
  const { plan } = await lab.apply();
  expect(plan.blocked).toEqual([]);
  expect(madeIn(lab)).toEqual(["agent/b"]);
});
