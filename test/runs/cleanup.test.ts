import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runsCleaner } from "../../controllers/runs.ts";
import { hold } from "../../src/state/holds.ts";
import type { CleanupRequest } from "../../src/runs/cleanup.ts";
import { cleanUpRuns } from "../../src/runs/cleanup.ts";
import { findRuns } from "../../src/runs/history.ts";
import { indexPath, manifestPath, runFolder, runsFolder } from "../../src/runs/layout.ts";
import { DAY, HOUR, Lab } from "../support/memory-fleet.ts";
import { VirtualClock } from "../loop/virtual-clock.ts";
import { applied, labRun } from "./ledger.ts";

/** An old success, an old failure of `task`, one of agent b, and a recent success. */
async function scene(lab: Lab): Promise<Readonly<Record<string, string>>> {
  await applied(lab, { agents: { a: {}, b: {} } });
  const run = async (argv: string[], more = {}) => (await labRun(lab, argv, more)).manifest.run_id;
  const old = await run(["true"]);
  const failed = await run(["exit", "1"], { source: "task" });
  const other = await run(["exit", "1"], { agent: "b" });
  lab.time.advance(10 * DAY);
  return { [old]: "old", [failed]: "failed", [other]: "other", [await run(["true"])]: "recent" };
}

async function clean(lab: Lab, more: Partial<CleanupRequest> = {}): Promise<Record<string, string>> {
  const request = {
    olderThan: DAY,
    failedOnly: false,
    source: undefined,
    dryRun: false,
    now: lab.time.now(),
  };
  const { entries, counts } = await cleanUpRuns(lab.state(), { ...request, ...more });
  expect(Object.values(counts).reduce((sum, each) => sum + each, 0)).toBe(entries.length);
  return Object.fromEntries(entries.map(({ id, reason }) => [id, reason]));
}

const left = async (lab: Lab): Promise<string[]> =>
  (await findRuns(lab.state(), { now: lab.time.now(), agent: "a" })).runs.map((each) => each.id);

describe("a cleanup", () => {
  it.each<[string, Partial<CleanupRequest>, Record<string, string>]>([
    ["by age", {}, { old: "removed", failed: "removed", other: "removed", recent: "recent" }],
    [
      "of everything",
      { olderThan: 0 },
      { old: "removed", failed: "removed", other: "removed", recent: "removed" },
    ],
    [
      "of failures",
      { failedOnly: true },
      { old: "not_failed", failed: "removed", other: "removed", recent: "not_failed" },
    ],
    [
      "of a source",
      { source: "task" },
      { old: "source_mismatch", failed: "removed", other: "source_mismatch", recent: "source_mismatch" },
    ],
    [
      "that is none",
      { dryRun: true },
      { old: "would_remove", failed: "would_remove", other: "would_remove", recent: "recent" },
    ],
  ])("%s tells the reason of each, and does just that", async (_title, request, expected) => {
    await using lab = new Lab();
    const names = await scene(lab);
    const told = await clean(lab, request);
    expect(Object.fromEntries(Object.entries(told).map(([id, reason]) => [names[id], reason]))).toEqual(
      expected,
    );
    const folders = await readdir(runsFolder(lab.state()));
    const kept = Object.keys(names).filter((id) => told[id] !== "removed");
    expect(folders.toSorted()).toEqual(kept.toSorted());
    const index = await readFile(indexPath(lab.state()), "utf8");
    expect(index.trim().split("\n").filter(Boolean)).toHaveLength(kept.length);
  });

  it("leaves alone what runs, what is held, and what has no manifest", async () => {
    await using lab = new Lab();
    const names = await scene(lab);
    const [old = "", failed = "", other = ""] = Object.keys(names);
    const path = manifestPath(runFolder(lab.state(), failed));
    const manifest = JSON.parse(await readFile(path, "utf8"));
    await writeFile(
      path,
      JSON.stringify({ ...manifest, status: "running", exit_class: null, ended_at: null }),
    );
    await rm(indexPath(lab.state()));
    await rm(manifestPath(runFolder(lab.state(), old)));
    await hold(lab.state(), { address: "agent/b", reason: "evidence", by: "ann", since: 0 });
    expect(await clean(lab)).toMatchObject({
      [old]: "missing_manifest",
      [failed]: "running",
      [other]: "held",
    });
    expect(await readdir(runsFolder(lab.state()))).toHaveLength(4);
  });

  it("keeps what has no readable date", async () => {
    await using lab = new Lab();
    const [old = ""] = Object.keys(await scene(lab));
    const path = manifestPath(runFolder(lab.state(), old));
    const manifest = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, JSON.stringify({ ...manifest, ended_at: "some day" }));
    await rm(indexPath(lab.state()));
    expect(await clean(lab, { olderThan: 0 })).toMatchObject({ [old]: "recent" });
  });

  it("may happen twice at once, beside runs: each run is removed once, and none that began meanwhile", async () => {
    await using lab = new Lab();
    await scene(lab);
    const [first, second, ran] = await Promise.all([clean(lab), clean(lab), labRun(lab, ["exit", "3"])]);
    const removed = [...Object.entries(first), ...Object.entries(second)].filter(
      ([, why]) => why === "removed",
    );
    expect(new Set(removed.map(([id]) => id)).size).toBe(removed.length);
    expect(removed).toHaveLength(3);
    expect(await left(lab)).toContain(ran.manifest.run_id);
  });

  it("finishes what a killed one began", async () => {
    await using lab = new Lab();
    await scene(lab);
    const leaving = join(runsFolder(lab.state()), ".leaving-20200101-000000-000-00000000");
    await mkdir(leaving);
    await writeFile(join(leaving, "stdout.log"), "x");
    await clean(lab, { dryRun: true });
    expect(await readdir(leaving)).toEqual(["stdout.log"]);
    await clean(lab);
    await expect(readdir(leaving)).rejects.toThrow(/ENOENT/);
  });
});

describe("the controller", () => {
  const settings = { automatic: true, older_than: DAY, failed_only: false, source: "all" };

  it("cleans up by itself where the config says so, at most once an hour", async () => {
    await using lab = new Lab();
    await scene(lab);
    const clock = new VirtualClock();
    const cleaner = runsCleaner(lab.engine(), clock);
    await cleaner.looked();
    cleaner.adopt({
      fleet: "team",
      runs: {
        max_log: 1,
        ephemeral_ttl: DAY,
        artifacts: [],
        max_artifacts: 1,
        cleanup: { ...settings, automatic: false },
      },
    });
    await cleaner.looked();
    expect(await readdir(runsFolder(lab.state()))).toHaveLength(4);
    cleaner.adopt({
      fleet: "team",
      runs: { max_log: 1, ephemeral_ttl: DAY, artifacts: [], max_artifacts: 1, cleanup: settings },
    });
    await cleaner.looked();
    expect(await readdir(runsFolder(lab.state()))).toHaveLength(1);
    expect(lab.events.at(-1)).toMatchObject({ code: "RUNS_CLEANUP", message: "3 old runs were removed" });
    clock.advance(2 * DAY);
    lab.time.advance(2 * DAY);
    await cleaner.looked();
    expect(await readdir(runsFolder(lab.state()))).toHaveLength(0);
    const before = lab.events.length;
    clock.advance(HOUR / 2);
    await cleaner.looked();
    expect(lab.events).toHaveLength(before);
  });
});
