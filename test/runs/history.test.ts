import { existsSync } from "node:fs";
import { appendFile, mkdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findRuns } from "../../src/runs/history.ts";
import { indexPath, manifestPath, runFolder, runsFolder } from "../../src/runs/layout.ts";
import { ledgerStatus } from "../../src/runs/ledger-status.ts";
import { rebuildIndex } from "../../src/runs/rebuild-index.ts";
import { makeRunId } from "../../src/runs/run-id.ts";
import { Lab } from "../support/memory-fleet.ts";
import { applied, labRun } from "./ledger.ts";

async function threeRuns(lab: Lab): Promise<readonly string[]> {
  await applied(lab, { agents: { a: {}, b: {} } });
  const ids: string[] = [];
  for (const [argv, more] of [
    [["true"], {}],
    [["exit", "4"], { agent: "b" }],
    [["exit", "137"], { source: "task" }],
  ] as const) {
    lab.time.advance(1_000);
    ids.push((await labRun(lab, argv, more)).manifest.run_id);
  }
  return ids;
}

/** As if the process that recorded it had died before its end. */
async function unended(lab: Lab, id: string, process: object = { start_time: "1" }): Promise<void> {
  const path = manifestPath(runFolder(lab.state(), id));
  const manifest = JSON.parse(await readFile(path, "utf8"));
  const before = {
    ended_at: null,
    duration_ms: null,
    exit_code: null,
    signal: null,
    exit_class: null,
    logs: null,
  };
  const changed = { ...manifest, ...before, status: "running", process: { ...manifest.process, ...process } };
  await writeFile(path, JSON.stringify(changed));
  await rm(indexPath(lab.state()));
}

const NOTHING = { interrupted: 0, indexed: 0, unreadable: [] };

describe("the list of runs", () => {
  it("is newest first, and cut where the limit says", async () => {
    await using lab = new Lab();
    const ids = await threeRuns(lab);
    const all = await findRuns(lab.state(), { now: 0 });
    expect(all.runs.map((each) => each.id)).toEqual(ids.toReversed());
    expect(all).toMatchObject({ more: false, reconcile: NOTHING });
    const two = await findRuns(lab.state(), { now: 0, limit: 2 });
    expect(two).toMatchObject({ runs: all.runs.slice(0, 2), more: true });
    expect((await findRuns(lab.state(), { now: 0, limit: 3 })).more).toBe(false);
  });

  it.each([
    [{ status: "failed" as const }, [2, 1]],
    [{ status: "ok" as const }, [0]],
    [{ status: "running" as const }, []],
    [{ agent: "b" }, [1]],
    [{ source: "task" }, [2]],
    [{ session: "main", agent: "a" }, [2, 0]],
  ])("of %j alone", async (filter, expected) => {
    await using lab = new Lab();
    const ids = await threeRuns(lab);
    const { runs } = await findRuns(lab.state(), { now: 0, ...filter });
    expect(runs.map((each) => ids.indexOf(each.id))).toEqual(expected);
  });

  it("is the same without an index, with a torn one and with one of other runs", async () => {
    await using lab = new Lab();
    await threeRuns(lab);
    const before = await findRuns(lab.state(), { now: 0, agent: "a" });
    const path = indexPath(lab.state());
    const text = await readFile(path, "utf8");
    const spoils = [
      async () => rm(path),
      async () => writeFile(path, text.slice(0, -20)),
      async () => writeFile(path, text.replaceAll("20300101", "20310101")),
      async () => appendFile(path, "{}\nnot json\n\0"),
    ];
    for (const spoil of spoils) {
      await spoil();
      const { runs } = await findRuns(lab.state(), { now: 0, agent: "a" });
      expect(runs).toEqual(before.runs);
      // And it has been put in order by the way.
      expect(await findRuns(lab.state(), { now: 0, agent: "a" })).toEqual(before);
    }
  });

  it("leaves out folders that cannot be read, names them, and touches nothing", async () => {
    await using lab = new Lab();
    const ids = await threeRuns(lab);
    const torn = manifestPath(runFolder(lab.state(), ids[1] ?? ""));
    await writeFile(torn, '{"format_version": 1, "run_id"');
    await rm(indexPath(lab.state()));
    await mkdir(join(runsFolder(lab.state()), "notes-of-a-person"));
    const list = await findRuns(lab.state(), { now: 0, limit: 10 });
    expect(list.runs.map((each) => each.id)).toEqual([ids[2], ids[0]]);
    expect(list.reconcile.unreadable).toEqual([ids[1]]);
    expect(await readFile(torn, "utf8")).toBe('{"format_version": 1, "run_id"');
  });
});

describe("a run whose process is gone", () => {
  it("is marked interrupted once, with its output as far as it came", async () => {
    await using lab = new Lab();
    await applied(lab);
    const { manifest } = await labRun(lab, ["echo", "half"]);
    await unended(lab, manifest.run_id);
    const first = await findRuns(lab.state(), { now: lab.time.now() });
    expect(first).toMatchObject({
      runs: [{ status: "interrupted", exit_class: "interrupted", exit_code: null }],
      reconcile: { ...NOTHING, interrupted: 1, indexed: 1 },
    });
    const text = await readFile(manifestPath(runFolder(lab.state(), manifest.run_id)), "utf8");
    expect(JSON.parse(text)).toMatchObject({
      status: "interrupted",
      logs: { stdout: { bytes: 5, lost: 0 } },
    });
    expect(await findRuns(lab.state(), { now: lab.time.now() })).toEqual({ ...first, reconcile: NOTHING });
  });

  it("is not taken for one that goes on elsewhere, nor for one that lives", async () => {
    await using lab = new Lab();
    await applied(lab);
    const { manifest } = await labRun(lab, ["true"]);
    await unended(lab, manifest.run_id, {});
    expect((await findRuns(lab.state(), { now: lab.time.now() })).runs).toMatchObject([
      { status: "running" },
    ]);
    // Of another boot, without a heartbeat: nobody follows it any more.
    await unended(lab, manifest.run_id, { boot_id: "another" }).catch(() => undefined);
    expect((await findRuns(lab.state(), { now: lab.time.now() })).runs).toMatchObject([
      { status: "interrupted" },
    ]);
  });
});

describe("the state of the ledger", () => {
  it("counts what there is, and names the last that failed", async () => {
    await using lab = new Lab();
    const ids = await threeRuns(lab);
    expect(await ledgerStatus(lab.state(), lab.time.now())).toMatchObject({
      fleet: "team",
      total: 3,
      counts: { running: 0, ok: 1, failed: 2, interrupted: 0 },
      running: [],
      latest: { id: ids[2] },
      latest_failed: { id: ids[2] },
    });
  });

  it("is made anew from the manifests, and tells how far it is", async () => {
    await using lab = new Lab();
    await threeRuns(lab);
    const before = await readFile(indexPath(lab.state()), "utf8");
    await writeFile(indexPath(lab.state()), "spoilt");
    const told: (readonly [number, number])[] = [];
    const made = await rebuildIndex(lab.state(), lab.time.now(), (read, total) => told.push([read, total]));
    expect(made).toEqual({ indexed: 3, running: 0, interrupted: 0, unreadable: [] });
    expect(told).toEqual([[3, 3]]);
    expect(await readFile(indexPath(lab.state()), "utf8")).toBe(before);
  });
});

describe("a ledger of many runs", () => {
  it("lists its latest from what it remembers, and never what is no longer so", async () => {
    await using lab = new Lab();
    const ids = await threeRuns(lab);
    const state = lab.state();
    const text = await readFile(manifestPath(runFolder(state, ids[0] ?? "")), "utf8");
    const add = async (id: string): Promise<void> => {
      await mkdir(runFolder(state, id));
      await writeFile(manifestPath(runFolder(state, id)), text.replaceAll(ids[0] ?? "", id));
    };
    const idOf = (index: number): string => makeRunId(index * 1000, index.toString(16).padStart(16, "0"));
    for (let index = 0; index < 600; index += 1) await add(idOf(index));
    // As if nothing had happened there for a while.
    await utimes(runsFolder(state), 1, 1);
    const latest = async (): Promise<readonly string[]> =>
      (await findRuns(state, { now: 0, limit: 5 })).runs.map(({ id }) => id);
    const known = [...ids.toReversed(), idOf(599), idOf(598)];
    expect([await latest(), await latest()]).toEqual([known, known]);
    expect(existsSync(join(state.dir, "latest.json"))).toBe(true);
    const newest = makeRunId(Date.UTC(2031, 0, 1), "f".repeat(16));
    await add(newest);
    expect(await latest()).toEqual([newest, ...known].slice(0, 5));
    await rm(runFolder(state, newest), { recursive: true });
    await rm(runFolder(state, ids[2] ?? ""), { recursive: true });
    expect(await latest()).toEqual([...known.slice(1), idOf(597)]);
    expect((await findRuns(state, { now: 0, limit: 100 })).more).toBe(true);
    expect((await findRuns(state, { now: 0 })).runs).toHaveLength(602);
  });
});
