import { expect, test } from "vitest";
import { RolloutPauses } from "../../controllers/rollouts.ts";
import type { Plan } from "../../src/model/plan.ts";
import { Lab } from "../support/memory-fleet.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import { ENGINE_SILENT, ROLLOUT_PAUSED } from "../../src/model/outcome-codes.ts";

const free = (): boolean => true;
const ADDRESS = "agent/a";

/** A plan that replaces agent a for a change of its settings. */
async function replacing(): Promise<Plan> {
  await using lab = new Lab();
  const config = (docker: object): object => ({
    sandbox: { backend: "docker", docker: { image: "img:a", ...docker } },
    agents: { a: {}, b: {} },
  });
  await lab.write(config({}));
  await lab.apply();
  await lab.write(config({ network: "bridge" }));
  return await lab.plan();
}

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
    new RolloutPauses().learn({ plan, outcomes, free }).unproved;
  expect(learn([follower])).toBe(true);
  expect(learn([skipped(ADDRESS, ENGINE_SILENT), follower])).toBe(false);
  // Another engine's silence says nothing of this one.
  const changes = plan.changes.map((each) => (each.address === ADDRESS ? { ...each, host: "far" } : each));
  const elsewhere = {
    plan: { ...plan, changes },
    outcomes: [skipped(ADDRESS, ENGINE_SILENT), follower],
    free,
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
  expect(pauses.learn({ plan, outcomes: [failed], free }).paused).toEqual([ADDRESS]);
  const [own = ""] = plan.observed.map(({ host }) => host);
  const unseen = withEngines(plan, { [own]: "unobserved", far: "complete" });
  expect(pauses.learn({ plan: unseen, outcomes: [], free }).lifted).toEqual([]);
  const seen = withEngines(plan, { [own]: "complete", far: "unobserved" });
  expect(pauses.learn({ plan: seen, outcomes: [], free }).lifted).toEqual([ADDRESS]);
  expect(pauses.list()).toEqual([]);
});
