import { cp, mkdir, readFile, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DoctorReport } from "../../src/model/doctor.ts";
import { DOCTOR_CODES, doctorSchema } from "../../src/model/doctor.ts";
import { examine } from "../../src/runs/doctor/doctor.ts";
import { findRuns } from "../../src/runs/history.ts";
import { manifestPath, runFolder } from "../../src/runs/layout.ts";
import { hold, readHolds } from "../../src/state/holds.ts";
import { recordUpdate } from "../../src/state/updates.ts";
import { ownIdentity } from "../../src/util/process-identity.ts";
import { Lab } from "../support/memory-fleet.ts";
import { applied, labRun, SANDBOX } from "./ledger.ts";

const DEAD = { ...ownIdentity(), start_time: "1" };
const ALIVE = ownIdentity();

async function doctor(lab: Lab, how: { fix?: boolean; dryRun?: boolean } = {}): Promise<DoctorReport> {
  const done = await examine(lab.engine(), { fix: false, dryRun: false, ...how });
  if (done.status === "invalid") throw new Error(JSON.stringify(done.diagnostics));
  return doctorSchema.parse(done.report);
}

/** `code status` of each finding. */
const told = ({ findings }: DoctorReport): string[] =>
  findings.map(({ code, status }) => `${code} ${status}`);

async function put(lab: Lab, path: string, content: unknown): Promise<string> {
  const at = join(lab.state().dir, path);
  await mkdir(dirname(at), { recursive: true });
  await writeFile(at, typeof content === "string" ? content : JSON.stringify(content));
  return at;
}

/** Every file below the state directory with its content. */
async function snapshot(lab: Lab): Promise<Record<string, string>> {
  const entries = await readdir(lab.stateDir(), { recursive: true, withFileTypes: true });
  const texts: Record<string, string> = {};
  for (const each of entries) {
    const path = join(each.parentPath, each.name);
    texts[path] = each.isFile() ? await readFile(path, "utf8") : "";
  }
  return texts;
}

const claim = (holder: object) => ({
  v: 1,
  version: 7,
  holder: { ...holder, token: "t", acquired_at: 1, heartbeat_at: 1 },
});
const openRun = (run_id: string, process: object, address = "agent/a") => ({
  v: 1,
  run_id,
  address,
  agent: "a",
  session: "main",
  started_at: 1,
  process,
});

/** As if the process that recorded it were another, and had not come to its end. */
async function unended(lab: Lab, id: string, process: object, more: object = {}): Promise<void> {
  const path = manifestPath(runFolder(lab.state(), id));
  const manifest = JSON.parse(await readFile(path, "utf8"));
  const open = {
    ended_at: null,
    duration_ms: null,
    exit_code: null,
    signal: null,
    exit_class: null,
    logs: null,
  };
  await writeFile(path, JSON.stringify({ ...manifest, ...open, status: "running", process, ...more }));
}

async function oneOfEach(lab: Lab): Promise<readonly string[]> {
  await applied(lab, { agents: { a: {}, b: {} } });
  const ids: string[] = [];
  for (const argv of [["true"], ["exit", "3"], ["true"], ["true"], ["true"]]) {
    lab.time.advance(1_000);
    ids.push((await labRun(lab, argv)).manifest.run_id);
  }
  const [dead = "", torn = "", strange = ""] = ids;
  await unended(lab, dead, DEAD);
  await writeFile(manifestPath(runFolder(lab.state(), torn)), '{"format_ver');
  await unended(lab, strange, { ...ALIVE, boot_id: "another" }, { object_id: "gone" });
  const beating = await put(
    lab,
    `open-runs/${strange}.json`,
    openRun(strange, { ...ALIVE, boot_id: "another" }),
  );
  await utimes(beating, lab.time.now() / 1000, lab.time.now() / 1000);
  await put(lab, "lease.json", claim(DEAD));
  await put(lab, "locks/agent%2Fa.json", claim(DEAD));
  await mkdir(join(lab.state().dir, "locks/agent%2Fa.json.lock"));
  await put(lab, "open-runs/x.json", openRun("x", DEAD));
  await put(lab, "runs/.leaving-20300101-000000-000-00000000/stdout.log", "half");
  await put(lab, "salvage/.staging-00ff/files.tar", "half");
  await put(lab, "salvage/agent%2Fa-x/files.tar", "half");
  await put(lab, "endpoints.json", "{");
  await put(lab, "notes.txt", "mine");
  await put(lab, "activity/agent%2Fa.json.123456", "{}");
  await put(lab, "activity/agent%2Fold.json", { v: 1, at: 5 });
  await put(lab, "deferred.json", { v: 1, since: { "agent/old h": 5, "agent/a h": 6 } });
  await hold(lab.state(), { address: "agent/old", reason: "r", by: "me", since: 1 });
  await hold(lab.state(), { address: "agent/a", reason: "r", by: "me", since: 1, until: 2 });
  await hold(lab.state(), { address: "agent/b", reason: "r", by: "me", since: 1 });
  await put(lab, "left-alone.json", { v: 1, watcher: DEAD, told_at: 1, addresses: [] });
  const sightings = JSON.parse(await readFile(join(lab.state().dir, "sightings.json"), "utf8"));
  await put(lab, "sightings.json", { v: 1, since: { ...sightings.since, vanished: 1 } });
  return ids;
}

describe("doctor", () => {
  it("finds nothing in a state directory that is in use", async () => {
    await using lab = new Lab();
    await applied(lab);
    await labRun(lab, ["true"]);
    await recordUpdate(lab.state(), "object-1", { "docker.cpus": 2 });
    const report = await doctor(lab);
    expect(report).toMatchObject({ ok: true, exit_code: 0, findings: [], recent: 0, kept: [], skipped: [] });
    expect(report.engines).toMatchObject([{ backend: "docker", status: "observed" }]);
  });

  it("tells everything that is wrong, changes nothing, then does exactly that, and then finds nothing", async () => {
    await using lab = new Lab();
    const ids = await oneOfEach(lab);
    const before = await snapshot(lab);
    const seen = await doctor(lab);
    expect(seen).toMatchObject({ ok: false, exit_code: 1 });
    // Each code of the closed set, and nothing else.
    expect(new Set(seen.findings.map(({ code }) => code))).toEqual(new Set(DOCTOR_CODES));
    const dry = await doctor(lab, { fix: true, dryRun: true });
    expect(await snapshot(lab)).toEqual(before);
    expect(dry.findings).toEqual(seen.findings.map((each) => ({ ...each, status: "would_fix" })));

    const fixed = await doctor(lab, { fix: true });
    expect(fixed.findings.filter(({ status }) => status !== "fixed")).toEqual([]);
    expect(fixed.findings.map(({ path, code }) => [path, code])).toEqual(
      seen.findings.map(({ path, code }) => [path, code]),
    );
    expect(fixed).toMatchObject({
      ok: true,
      exit_code: 0,
      reconcile: { interrupted: 2, indexed: 1, unreadable: [ids[1]] },
    });

    const again = await doctor(lab, { fix: true });
    expect(again).toMatchObject({ ok: true, exit_code: 0, findings: [] });
    expect(again.kept.length).toBe(4);
    // And what was no business of it is as it was.
    expect((await readHolds(lab.state(), lab.time.now())).map(({ address }) => address)).toEqual(["agent/b"]);
    const { dir } = lab.state();
    const read = async (name: string): Promise<unknown> =>
      JSON.parse(await readFile(join(dir, name), "utf8"));
    expect(await read("deferred.json")).toEqual({ v: 1, since: { "agent/a h": 6 } });
    // It was taken once more, for what only its holder may remove.
    expect(await read("lease.json")).toEqual({ v: 1, version: 8, holder: null });
    expect(Object.keys(lab.objects())).toHaveLength(2);
    const after = await snapshot(lab);
    for (const text of ["mine", '{"format_ver', "half", "{"]) expect(Object.values(after)).toContain(text);
    const { runs } = await findRuns(lab.state(), { now: lab.time.now() });
    expect(runs.map(({ id, status }) => [id, status])).toEqual([
      [ids[4], "ok"],
      [ids[3], "ok"],
      [ids[2], "interrupted"],
      [ids[0], "interrupted"],
    ]);
  });

  it("sets aside what it remembers of an update when that is torn", async () => {
    await using lab = new Lab();
    await applied(lab);
    await put(lab, "updates/object-1.json", '{"v":1,"val');
    expect((await doctor(lab)).findings).toMatchObject([
      { path: "fleets/team/updates/object-1.json", code: "torn-file" },
    ]);
    expect(told(await doctor(lab, { fix: true }))).toEqual(["torn-file fixed"]);
    expect(told(await doctor(lab))).toEqual([]);
  });

  it("leaves alone what a living process holds, and what is too young to judge", async () => {
    await using lab = new Lab();
    await applied(lab);
    const { run_id } = (await labRun(lab, ["true"])).manifest;
    await rm(join(lab.state().dir, "index.jsonl"));
    await unended(lab, run_id, ALIVE);
    await put(lab, "lease.json", claim(ALIVE));
    await put(lab, "locks/agent%2Fa.json", claim(ALIVE));
    await put(lab, `open-runs/${run_id}.json`, openRun(run_id, ALIVE));
    await put(lab, "left-alone.json", { v: 1, watcher: ALIVE, told_at: 1, addresses: [] });
    const young = [await put(lab, "holds.json.77", "{"), await put(lab, "notes.txt", "mine")];
    const making = runFolder(lab.state(), "20310101-000000-000-00000000");
    const lock = join(lab.state().dir, "holds.json.lock");
    for (const each of [making, lock]) await mkdir(each);
    const now = lab.time.now() / 1000;
    for (const each of [...young, making, lock]) await utimes(each, now, now);
    const before = await snapshot(lab);
    expect(await doctor(lab, { fix: true })).toMatchObject({ findings: [], recent: 4, exit_code: 0 });
    expect(await snapshot(lab)).toEqual(before);
  });

  it("forgets nothing of agents while an engine cannot be seen, and says so", async () => {
    await using lab = new Lab();
    await applied(lab, { agents: { a: {}, b: {} } });
    await put(lab, "activity/agent%2Fold.json", { v: 1, at: 5 });
    await lab.write({ sandbox: SANDBOX, agents: { a: {} } });
    lab.world.inject({ op: "observe", effect: { kind: "fail", when: "before", as: "unreachable" } });
    const away = await doctor(lab, { fix: true });
    expect(away).toMatchObject({ ok: false, exit_code: 69, findings: [] });
    expect(away.engines).toMatchObject([{ status: "unobserved" }]);
    expect(away.skipped).toHaveLength(1);
    expect(told(await doctor(lab))).toEqual(["tombstone found"]);
  });

  it("gives back every mutex that a killed process left, whatever it guarded", async () => {
    await using lab = new Lab();
    await applied(lab);
    const { dir } = lab.state();
    for (const each of ["images-lock", "events.jsonl", "lease.json"]) await mkdir(join(dir, `${each}.lock`));
    const report = await doctor(lab, { fix: true });
    expect(told(report)).toEqual(Array.from({ length: 3 }, () => "stale-mutex fixed"));
    expect((await readdir(dir)).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });

  it("lifts no hold because its file is torn", async () => {
    await using lab = new Lab();
    await applied(lab);
    const path = await put(lab, "holds.json", "{");
    const report = await doctor(lab, { fix: true });
    expect(told(report)).toEqual(["torn-file left"]);
    expect(report).toMatchObject({ ok: false, exit_code: 1 });
    expect(await readFile(path, "utf8")).toBe("{");
  });

  it("does nothing where it is no longer so when its turn comes", async () => {
    await using lab = new Lab();
    await applied(lab);
    const path = await put(lab, "locks/agent%2Fa.json", claim(DEAD));
    // The holder changes between the look and the deed: while the engine is asked.
    const run = async (): Promise<void> => writeFile(path, JSON.stringify(claim(ALIVE)));
    lab.world.inject({ op: "observe", effect: { kind: "hook", when: "before", run } });
    expect(told(await doctor(lab, { fix: true }))).toEqual(["stale-lock changed"]);
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual(claim(ALIVE));
  });

  it("looks at other fleets' files too, by what they alone can tell", async () => {
    await using lab = new Lab();
    await applied(lab);
    const other = join(lab.stateDir(), "fleets", "other");
    await cp(lab.state().dir, other, { recursive: true });
    await writeFile(join(other, "lease.json"), JSON.stringify(claim(DEAD)));
    await mkdir(join(other, "activity"), { recursive: true });
    await writeFile(join(other, "activity", "agent%2Fgone.json"), '{"v":1,"at":5}');
    const report = await doctor(lab, { fix: true });
    expect(report.findings).toMatchObject([{ code: "stale-lease", fleet: "other", status: "fixed" }]);
    expect((await stat(join(other, "activity", "agent%2Fgone.json"))).isFile()).toBe(true);
  });
});
