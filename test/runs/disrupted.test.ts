import { writeFile } from "node:fs/promises";
import { expect, it, vi } from "vitest";
import { explainFleet } from "../../src/plan/explain.ts";
import { runFolder } from "../../src/runs/layout.ts";
import { selectRun } from "../../src/runs/select.ts";
import { triageRun } from "../../src/runs/triage.ts";
import { Reading } from "../../src/runs/history.ts";
import { readOpenRuns } from "../../src/state/open-runs.ts";
import { HOUR, Lab, MINUTE } from "../support/memory-fleet.ts";
import type { LabRun } from "./ledger.ts";
import { applied, labRun, SANDBOX } from "./ledger.ts";

const RUN = "20300101-000001-000-aaaa1111";

/** One that only ends when its runtime does. */
async function begun(lab: Lab, runId = RUN): Promise<{ readonly ended: Promise<LabRun> }> {
  const ended = labRun(lab, ["sleep", "3000"], { runId });
  ended.catch(() => undefined);
  await vi.waitFor(
    async () => {
      const found = await new Reading(lab.state(), lab.time.now()).manifest(runFolder(lab.state(), runId));
      expect(found?.status).toBe("running");
    },
    { timeout: 60_000, interval: 5 },
  );
  return { ended };
}

async function busyOf(lab: Lab): Promise<string | null | undefined> {
  const explained = await explainFleet(lab.engine(), {});
  if (explained.status === "invalid") throw new Error(JSON.stringify(explained.diagnostics));
  return explained.explanation.agents[0]?.runtimes[0]?.busy;
}

it("a change waits for a run as long as max_wait says, tells for whom, and then happens with the run marked", async () => {
  await using lab = new Lab();
  await applied(lab);
  expect(await busyOf(lab)).toBeNull();
  const { ended } = await begun(lab);
  lab.time.advance(5 * MINUTE);
  expect(await busyOf(lab)).toBe(`1 run: ${RUN} of a:main for 5m`);

  await lab.write({ sandbox: { ...SANDBOX, docker: { image: "img:b" } }, agents: { a: {} } });
  const waits = await lab.apply();
  expect(waits.plan.blocked).toMatchObject([
    { rule: "busy", why: expect.stringContaining(`${RUN} of a:main for 5m`) },
  ]);
  expect(waits.result.exit_code).toBe(0);
  lab.time.advance(HOUR - 1);
  expect((await lab.apply()).plan.blocked).toHaveLength(1);
  lab.time.advance(1);

  const { plan, result } = await lab.apply();
  expect(result.outcomes).toMatchObject([{ action: "recreate", status: "done" }]);
  expect(lab.events).toContainEqual(
    expect.objectContaining({ code: "DISRUPTED", message: expect.stringContaining(RUN) }),
  );
  const { manifest } = await ended;
  expect(manifest).toMatchObject({
    status: "failed",
    disrupted: { plan_id: plan.plan_id, why: expect.stringMatching(/max_wait/) },
  });
  expect(await readOpenRuns(lab.state(), lab.time.now())).toEqual([]);
  const run = await selectRun(lab.state(), { latestFailed: true }, { cwd: "/", now: lab.time.now() });
  const triage = await triageRun(lab.engine(), { state: lab.state(), run, lines: 0, place: {} });
  expect(triage.diagnosis.what).toMatch(/^its sandbox was taken from it while it ran: .*image/);
}, 120_000);

it("who destroys a runtime by name marks the runs in it, and no others", async () => {
  await using lab = new Lab();
  await applied(lab, { agents: { a: {}, b: {} } });
  const { ended } = await begun(lab);
  const other = labRun(lab, ["true"], { agent: "b" });
  await lab.apply({ intent: { mode: "destroy", targets: ["agent/a"], unprotect: false } });
  expect((await ended).manifest).toMatchObject({ status: "failed", disrupted: { why: expect.any(String) } });
  expect((await other).manifest).toMatchObject({ status: "ok", disrupted: null });
}, 120_000);

it("a run whose sandkeep is dead is found interrupted, and marked as well", async () => {
  await using lab = new Lab();
  await applied(lab);
  const { ended } = await begun(lab);
  await lab.apply({ intent: { mode: "destroy", targets: ["agent/a"], unprotect: false } });
  const { manifest } = await ended;
  await lab.inherit("one", "heir");
  const folder = runFolder(lab.state("heir"), RUN);
  const process = { ...manifest.process, start_time: "1" };
  await writeFile(
    `${folder}/manifest.json`,
    JSON.stringify({
      ...manifest,
      status: "running",
      disrupted: null,
      ended_at: null,
      exit_class: null,
      process,
    }),
  );
  const found = await new Reading(lab.state("heir"), lab.time.now()).manifest(folder);
  expect(found).toMatchObject({ status: "interrupted", disrupted: manifest.disrupted });
}, 120_000);
