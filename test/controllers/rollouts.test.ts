import { expect, test } from "vitest";
import { RolloutPauses } from "../../controllers/rollouts.ts";
import type { Plan } from "../../src/model/plan.ts";
import { Lab } from "../support/memory-fleet.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import { ENGINE_SILENT, ROLLOUT_PAUSED } from "../../src/model/outcome-codes.ts";

const free = (): boolean => true;
const well = (): boolean => false;
const ADDRESS = "agent/a";

/** A plan that replaces agents for a change of their settings, and one after which they are as they should be. */
async function plans(change: object): Promise<{ plan: Plan; settled: Plan }> {
  await using lab = new Lab();
  const config = (docker: object): object => ({
    sandbox: { backend: "docker", docker: { image: "img:a", memory: "1GiB", ...docker } },
    agents: { a: {}, b: {} },
  });
  await lab.write(config({}));
  await lab.apply();
  const settled = await lab.plan();
  await lab.write(config(change));
  return { plan: await lab.plan(), settled };
}

const replacing = async (): Promise<Plan> => (await plans({ network: "bridge" })).plan;

function withEngines(plan: Plan, statuses: Readonly<Record<string, "complete" | "unobserved">>): Plan {
  const observed = Object.entries(statuses).map(([host, status]) => ({
    backend: "docker",
    host,
    status,
    runtimes: 0,
    message: null,
  }));
  return { ...plan, complete: false, changes: [], observed };
}

test("a canary that was not begun for its engine's silence is no reason to try another at once", async () => {
  const plan = await replacing();
  const skipped = (address: string, code: string): Outcome => ({
    address,
    action: "recreate",
    status: "skipped",
    duration_ms: 0,
    error: { code, message: "", hint: null },
    reason: "",
  });
  const follower = skipped("agent/b", ROLLOUT_PAUSED);
  const learn = (outcomes: readonly Outcome[]): boolean =>
    new RolloutPauses().learn({ plan, outcomes, free, well }).unproved;
  expect(learn([follower])).toBe(true);
  expect(learn([skipped(ADDRESS, ENGINE_SILENT), follower])).toBe(false);
  // Another engine's silence says nothing of this one.
  const changes = plan.changes.map((each) => (each.address === ADDRESS ? { ...each, host: "far" } : each));
  const elsewhere = {
    plan: { ...plan, changes },
    outcomes: [skipped(ADDRESS, ENGINE_SILENT), follower],
    free,
    well,
  };
  expect(new RolloutPauses().learn(elsewhere).unproved).toBe(true);
});

test("a paused rollout is lifted once its own engine was seen, whatever another one does", async () => {
  const plan = await replacing();
  const failed: Outcome = {
    address: ADDRESS,
    action: "recreate",
    status: "failed",
    duration_ms: 0,
    error: null,
    reason: "",
  };
  const pauses = new RolloutPauses();
  expect(pauses.learn({ plan, outcomes: [failed], free, well }).paused).toEqual([ADDRESS]);
  const [own = ""] = plan.observed.map(({ host }) => host);
  const unseen = withEngines(plan, { [own]: "unobserved", far: "complete" });
  expect(pauses.learn({ plan: unseen, outcomes: [], free, well }).lifted).toEqual([]);
  const seen = withEngines(plan, { [own]: "complete", far: "unobserved" });
  expect(pauses.learn({ plan: seen, outcomes: [], free, well }).lifted).toEqual([ADDRESS]);
  expect(pauses.list()).toEqual([]);
});

test("what failed by a change in place is lifted by its success or its end, not by being as declared", async () => {
  const { plan, settled } = await plans({ memory: "8MiB" });
  const ended = (status: Outcome["status"]): Outcome => ({
    address: ADDRESS,
    action: "update",
    status,
    duration_ms: 0,
    error: null,
    reason: "",
  });
  const pauses = new RolloutPauses();
  const lifted = (of: Plan, ...outcomes: readonly Outcome[]): readonly string[] =>
    pauses.learn({ plan: of, outcomes, free, well }).lifted;
  lifted(plan, ended("failed"));
  expect(pauses.list().map(({ address }) => address)).toEqual([ADDRESS]);
  expect(lifted(settled)).toEqual([]);
  expect(lifted(settled, ended("done"))).toEqual([ADDRESS]);
  lifted(plan, ended("failed"));
  expect(lifted({ ...settled, changes: [] })).toEqual([ADDRESS]);
  lifted(plan, ended("failed"));
  const another = settled.changes.map((each) => ({ ...each, object_id: "another" }));
  expect(lifted({ ...settled, changes: another })).toEqual([ADDRESS]);
  lifted(plan, ended("failed"));
  const later = { plan: settled, outcomes: [], free, well: () => true };
  expect(pauses.learn(later).lifted).toEqual([ADDRESS]);
  // What is replaced is the old one again, and needs nothing where nothing else is wanted of it.
  const replaced = await plans({ network: "bridge" });
  lifted(replaced.plan, ended("rolled_back"));
  expect(lifted(replaced.settled)).toEqual([ADDRESS]);
});
