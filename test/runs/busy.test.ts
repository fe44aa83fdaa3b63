import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { watch } from "../../controllers/watch.ts";
import { readActivity } from "../../src/state/activity.ts";
import { readOpenRuns } from "../../src/state/open-runs.ts";
import { DAY, Lab, MINUTE } from "../support/memory-fleet.ts";
import type { LabRun } from "./ledger.ts";
import { applied, labRun } from "./ledger.ts";

it("a run that begins at any moment of a prune keeps its runtime, or gets a new one, and never loses it", async () => {
  const statuses = new Set<string>();
  for (let nth = 1; ; nth += 1) {
    await using lab = new Lab();
    await applied(lab);
    lab.time.advance(2 * DAY);
    let running: Promise<LabRun> | undefined;
    const run = async (): Promise<void> => {
      running = labRun(lab, ["sleep", "0.05"]);
      running.catch(() => undefined);
      // Where the runtime is being removed already it can only wait, so this must not wait for ever.
      for (let looks = 0; looks < 300; looks += 1) {
        if ((await readOpenRuns(lab.state(), lab.time.now())).length > 0) return;
        await sleep(5);
      }
    };
    lab.world.inject({ nth, effect: { kind: "hook", when: "before", run } });
    const { result } = await lab.intent({ mode: "prune", orphans: false });
    if (running === undefined) break;
    const { manifest } = await running;
    expect(manifest, `at call ${nth}`).toMatchObject({ status: "ok", exit_code: 0 });
    const [runtime] = lab.primaries();
    expect(runtime?.id, `at call ${nth}`).toBe(manifest.object_id);
    for (const { status } of result.outcomes) statuses.add(status);
  }
  // Both came about: the use was first, and the removal was.
  expect(statuses).toEqual(new Set(["done", "stale"]));
}, 120_000);

it("a hundred looks of watch use nothing", async () => {
  await using lab = new Lab();
  await applied(lab);
  await labRun(lab, ["true"]);
  const used = await readActivity(lab.state());
  expect(Object.keys(used)).toEqual(["agent/a"]);
  for (let tick = 0; tick < 100; tick += 1) {
    lab.time.advance(MINUTE);
    expect(await watch(lab.engine(), { once: true, signal: new AbortController().signal })).toBe(0);
  }
  expect(await readActivity(lab.state())).toEqual(used);
  const [change] = (await lab.plan({ intent: { mode: "prune", idle: 1, orphans: false } })).changes;
  expect(change?.impact.idle_s).toBe(100 * 60);
}, 60_000);
