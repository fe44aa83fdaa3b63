// What a plan tells of the files that its changes destroy, and what telling it costs.
import { expect, it } from "vitest";
import type { Plan } from "../../src/model/plan.ts";
import { decideAll } from "../../src/plan/decide.ts";
import { reconcile } from "../../src/reconcile.ts";
import { renderPlan } from "../../src/render/plan.ts";
import { Lab } from "../support/memory-fleet.ts";

const DOCKER = { backend: "docker", docker: { image: "img:a" } };
const fleet = (agents: Record<string, object>): object => ({ sandbox: DOCKER, agents });
const drifted = { sandbox: { docker: { network: "bridge" } } };

async function lab(agents: Record<string, object> = { a: {} }): Promise<Lab> {
  const made = new Lab({ uptime: 10_000 });
  await made.write(fleet(agents));
  await made.apply();
  for (const object of made.primaries()) {
    object.files.set("root/.cache/x", { type: "file", mode: 0o644, content: Buffer.alloc(1000) });
    object.files.set("opt/tool", { type: "link", target: "/root/.cache/x" });
  }
  return made;
}

const impactOf = (plan: Plan, address: string) =>
  plan.changes.find((change) => change.address === address)?.impact;

const LOSS = { rw_bytes: 1000, rw_files: 2, rw_deleted: 0, rw_paths: ["/opt/", "/root/"], rw_more: false };
const NONE = { rw_bytes: null, rw_files: null, rw_deleted: null, rw_paths: [], rw_more: false };

it("tells for what is replaced or removed, and for nothing else", async () => {
  await using made = await lab({ a: {}, b: {}, c: {} });
  await made.write(fleet({ a: drifted, b: {}, d: {} }));
  const plan = await made.plan();
  expect(impactOf(plan, "agent/a")).toMatchObject(LOSS);
  expect(impactOf(plan, "agent/b")).toMatchObject(NONE);
  expect(impactOf(plan, "agent/c")).toMatchObject(LOSS);
  expect(impactOf(plan, "agent/d")).toMatchObject(NONE);
});

it("asks once for each runtime that goes, and makes no call more for a plan without changes", async () => {
  await using made = await lab({ a: {}, b: {} });
  made.world.resetCalls();
  await made.plan();
  const ops = made.world.log.map(({ op }) => op);
  expect(ops).not.toContain("changes");
  await made.write(fleet({ a: drifted, b: {} }));
  made.world.resetCalls();
  await made.plan();
  expect(made.world.log.map(({ op }) => op)).toEqual([...ops, "changes"]);
});

it("leaves the plan's id alone, since what is written inside changes all the time", async () => {
  await using made = await lab();
  await made.write(fleet({ a: drifted }));
  const before = await made.plan();
  made.primaries()[0]?.files.set("root/more", { type: "file", mode: 0o600, content: Buffer.alloc(9) });
  const after = await made.plan();
  expect(impactOf(after, "agent/a")?.rw_bytes).toBe(1009);
  expect(after.plan_id).toBe(before.plan_id);
});

it("plans on where an engine cannot measure", async () => {
  await using made = await lab();
  await made.write(fleet({ a: drifted }));
  made.world.inject({ op: "changes", effect: { kind: "fail", when: "before", as: "unreachable" } });
  const plan = await made.plan();
  expect(plan.summary.recreate).toBe(1);
  expect(impactOf(plan, "agent/a")).toMatchObject({
    ...NONE,
    rw_unknown: expect.stringContaining("failed before its effect"),
  });
});

it("says that it is not known what would be lost, and why, in text as well", async () => {
  await using made = await lab({ a: {}, b: {} });
  await made.write(fleet({ a: drifted, b: {} }));
  const style = { colour: false, width: 200, unicode: true, cwd: made.repo };
  const told = async () =>
    renderPlan(await made.plan(), style, { verbose: false })
      .match(/.*lose.*/g)
      ?.map((line) => line.trim());
  expect(await told()).toEqual(["would lose 1000 B in 2 files: /opt/, /root/"]);
  made.world.inject({ op: "changes", effect: { kind: "fail", when: "before", as: "terminal" } });
  const failed = expect.stringMatching(
    /^what it would lose is not known: changes .* failed before its effect$/,
  );
  expect(await told()).toEqual([failed]);
});

it("says so of an engine that never tells, and nothing where nothing goes", async () => {
  await using mute = new Lab({ uptime: 10_000, capabilities: { changes: false } });
  await mute.write(fleet({ a: {}, b: {} }));
  await mute.apply();
  await mute.write(fleet({ a: drifted, b: {} }));
  const plan = await mute.plan();
  expect(impactOf(plan, "agent/a")?.rw_unknown).toBe("docker does not tell");
  expect(impactOf(plan, "agent/b")).not.toHaveProperty("rw_unknown");
});

it("gives up what is not measured in time", async () => {
  await using made = await lab();
  await made.write(fleet({ a: drifted }));
  const seen = await made.look();
  const decisions = decideAll(seen, { intent: { mode: "apply" } });
  const measured = await made.measure(seen, decisions);
  expect(measured.losses.size).toBe(1);
  const late = await made.measure(seen, decisions, { signal: AbortSignal.abort() });
  expect([...late.losses.values()]).toEqual([{ unknown: "it was not measured within 10s" }]);
});

it.each([
  ["off", false],
  ["unattended", true],
])("measures for nobody's eyes only what is kept: salvage %s", async (when, measures) => {
  await using made = await lab();
  await made.write({ ...fleet({ a: drifted }), sandbox: { ...DOCKER, salvage: { when } } });
  made.world.resetCalls();
  const request = { intent: { mode: "apply" }, file: made.repo } as const;
  await reconcile(made.engine(), request, { approve: async () => false, unattended: true });
  expect(made.world.log.some(({ op }) => op === "changes")).toBe(measures);
});

it.each([
  [{ max_bytes: 999 }, { max_bytes: 999, oversize: "fail" }],
  [
    { max_bytes: 999, oversize: "truncate" },
    { max_bytes: 999, oversize: "truncate" },
  ],
  [{ max_bytes: 1000 }, undefined],
  [{ max_bytes: "unlimited" }, undefined],
  [{ max_bytes: 999, when: "off" }, undefined],
] as const)("tells where a bundle cannot hold what is there: %j", async (salvage, excess) => {
  await using made = await lab();
  const sandbox = { ...DOCKER, salvage: { when: "always", ...salvage } };
  await made.write({ ...fleet({ a: drifted }), sandbox });
  const plan = await made.plan();
  expect(impactOf(plan, "agent/a")?.salvage_excess).toEqual(excess);
  const { result } = await made.apply();
  expect(result.outcomes[0]?.status).toBe(excess?.oversize === "fail" ? "failed" : "done");
});
