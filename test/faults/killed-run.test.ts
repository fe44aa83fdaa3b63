import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import type { ListedRun } from "../../src/model/run.ts";
import { doctorSchema } from "../../src/model/doctor.ts";
import { runListSchema } from "../../src/model/run-answers.ts";
import { findRuns } from "../../src/runs/history.ts";
import { fleetState } from "../../src/state/directory.ts";
import { Project } from "../e2e/cli.ts";

// `run` is killed before each of its writes in turn. Whatever is left, the next look makes sense of it.

const PRELOAD = pathToFileURL(join(import.meta.dirname, "../support/kill-at.mjs")).href;
const OUTPUT = "one\ntwo\n";

test("a run that is killed before any of its writes leaves a ledger that works", async () => {
  await using project = await Project.open();
  await project.config("[agents.main]");
  await project.ok("apply", "--yes");
  const counter = join(project.folder, "calls");
  const known = new Set<string>();
  const seen: string[] = [];
  // What `runs list` asks, without a process for each look.
  const look = async (): Promise<readonly ListedRun[]> =>
    (await findRuns(fleetState(project.state, project.fleet), { now: Date.now() })).runs;
  for (let at = 1; ; at += 1) {
    await rm(counter, { force: true });
    const env = { NODE_OPTIONS: `--import ${PRELOAD}`, KILL_AT: String(at), KILL_COUNT: counter };
    const ran = await project.run(["run", "--", "sh", "-c", "echo one; echo two; exit 3"], { env });
    const struck = (await readFile(counter, "utf8")).trim().split("\n").at(-1) ?? "";
    if (ran.code !== null) {
      // Every write was struck once: this one came through.
      expect(ran).toMatchObject({ code: 3, stdout: OUTPUT });
      break;
    }
    const runs = await look();
    const fresh = runs.filter(({ id }) => !known.has(id));
    expect(fresh.length, struck).toBeLessThanOrEqual(1);
    for (const run of fresh) {
      known.add(run.id);
      seen.push(run.status);
      expect(["interrupted", "failed"], struck).toContain(run.status);
      if (run.status === "failed") expect(run.exit_code).toBe(3);
      const log = join(project.state, "fleets", project.fleet, "runs", run.id, "stdout.log");
      const text = await readFile(log, "utf8").catch(() => "");
      expect(OUTPUT.startsWith(text), struck).toBe(true);
      // Once the end is written down all of the output is there.
      if (run.status === "failed") expect(text).toBe(OUTPUT);
    }
    // And it says the same again.
    expect(await look(), struck).toEqual(runs);
  }
  expect(new Set(seen)).toEqual(new Set(["interrupted", "failed"]));
  const listed = runListSchema.parse(await project.json("runs", "list", "--limit", "1000")).runs;
  expect(listed).toEqual(await look());
  expect(await project.run(["run", "--", "true"])).toMatchObject({ code: 0 });
  // Whatever the dead left, doctor mends it once, and there is nothing more to mend; what is young it leaves.
  expect(doctorSchema.parse(await project.json("doctor", "--fix"))).toMatchObject({ ok: true });
  const mended = doctorSchema.parse(await project.json("runs", "doctor"));
  expect(mended).toMatchObject({ ok: true, findings: [], exit_code: 0 });
  const [row] = await project.list();
  expect(row?.busy).toBe(false);
}, 600_000);
