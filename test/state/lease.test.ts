import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Diagnostic } from "../../src/model/diagnostic.ts";
import { lockAddress } from "../../src/state/address-lock.ts";
import type { FleetState } from "../../src/state/directory.ts";
import { fleetState } from "../../src/state/directory.ts";
import { acquireLease, isLeasedElsewhere } from "../../src/state/lease.ts";
import { withMutex } from "../../src/state/mutex.ts";
import { ownIdentity } from "../../src/util/process-identity.ts";
import type { Children } from "./processes-kit.ts";
import { compileChildren } from "./processes-kit.ts";
import { temporaryDirectory, temporaryState } from "./temporary.ts";

let children: Children;
beforeAll(async () => {
  children = await compileChildren();
}, 60_000);
afterAll(async () => children[Symbol.asyncDispose]());

const now = Date.now;
const TTL = 600;
const wrongClock = (): number => Date.now() + 86_400_000;

async function leaseFile(
  state: FleetState,
): Promise<{ version: number; holder: Record<string, unknown> | null }> {
  return JSON.parse(await readFile(join(state.dir, "lease.json"), "utf8"));
}

async function forgeHolder(state: FleetState, holder: Record<string, unknown>): Promise<void> {
  await mkdir(state.dir, { recursive: true });
  const times = { token: "forged", acquired_at: now(), heartbeat_at: now() };
  await writeFile(
    join(state.dir, "lease.json"),
    JSON.stringify({ v: 1, version: 7, holder: { ...ownIdentity(), ...times, ...holder } }),
  );
}

describe("the lease", () => {
  it("counts its acquisitions and names its holder while held", async () => {
    const { state } = await temporaryState();
    const first = await acquireLease(state, { now });
    expect(first.version).toBe(1);
    expect((await leaseFile(state)).holder).toMatchObject({ pid: process.pid, host: ownIdentity().host });
    await first[Symbol.asyncDispose]();
    expect((await leaseFile(state)).holder).toBeNull();
    await using second = await acquireLease(state, { now });
    expect(second.version).toBe(2);
  });

  it("is shared within one process, and released by the last user", async () => {
    const { state } = await temporaryState();
    const [a, b] = await Promise.all([acquireLease(state, { now }), acquireLease(state, { now })]);
    expect(b.version).toBe(a.version);
    await a[Symbol.asyncDispose]();
    await a[Symbol.asyncDispose]();
    await b.assertHeld();
    await expect(a.assertHeld()).rejects.toMatchObject({ code: "LEASE_LOST" });
    await b[Symbol.asyncDispose]();
    expect((await leaseFile(state)).holder).toBeNull();
  });

  it("can be taken again while its release is still under way", async () => {
    const { state } = await temporaryState();
    const first = await acquireLease(state, { now });
    const released = first[Symbol.asyncDispose]();
    await using second = await acquireLease(state, { now });
    await released;
    await second.assertHeld();
  });

  it("is refused with the holder's pid while another process holds it, and free after its release", async () => {
    const { state } = await temporaryState();
    const other = children.start(state.base, state.fleet);
    expect(await other.ask("lease")).toBe("version 1");
    await expect(acquireLease(state, { now })).rejects.toMatchObject({
      code: "LEASE_HELD",
      exitCode: 75,
      message: expect.stringContaining(`process ${other.process.pid} on `),
    });
    expect(await isLeasedElsewhere(state, now())).toBe(true);
    expect(await other.ask("release")).toBe("released");
    expect(await isLeasedElsewhere(state, now())).toBe(false);
    await using mine = await acquireLease(state, { now });
    expect(mine.version).toBe(2);
    expect(await isLeasedElsewhere(state, now())).toBe(false);
    expect(await other.ask("lease")).toBe("LEASE_HELD");
  });

  it("of another boot or pid namespace is believed only while it gives a sign of life", async () => {
    const { state } = await temporaryState();
    await using mine = await acquireLease(state, { now });
    const file = await leaseFile(state);
    const holder = { ...file.holder, boot_id: "another", pid: 4242 };
    const told = join(state.dir, "lease.json");
    await mine[Symbol.asyncDispose]();
    await writeFile(told, JSON.stringify({ ...file, holder: { ...holder, heartbeat_at: 1_000_000 } }));
    expect(await isLeasedElsewhere(state, 1_000_000)).toBe(true);
    expect(await isLeasedElsewhere(state, 1_029_999)).toBe(true);
    expect(await isLeasedElsewhere(state, 1_030_000)).toBe(false);
    // A clock that was set back must not make it believed for ever.
    expect(await isLeasedElsewhere(state, 0)).toBe(false);
  });

  it("is waited for as long as asked, and the wait is told once", async () => {
    const { state } = await temporaryState();
    const other = children.start(state.base, state.fleet);
    await other.ask("lease");
    const told: number[] = [];
    const waiting = acquireLease(state, { now, waitMs: 15_000, onWait: ({ pid }) => told.push(pid) });
    await sleep(300);
    await other.ask("release");
    await using mine = await waiting;
    await mine.assertHeld();
    expect(told).toEqual([other.process.pid]);
  });

  it("never lets two processes in at once", async () => {
    const { state } = await temporaryState();
    const counter = join(state.base, "counter");
    await writeFile(counter, "0");
    const racers = [1, 2, 3].map(() => children.start(state.base, state.fleet));
    const answers = await Promise.all(racers.map((racer) => racer.ask(`race ${counter} 4`)));
    const versions = answers.flatMap((answer) => answer.split(",").map(Number));
    expect(versions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
    expect(await readFile(counter, "utf8")).toBe("12");
  });

  it("is taken from a killed holder at once, without anybody's help", async () => {
    const { state } = await temporaryState();
    const other = children.start(state.base, state.fleet);
    await other.ask("lease");
    await other.kill();
    await using mine = await acquireLease(state, { now });
    expect(mine.version).toBe(2);
  });

  it("is not kept by a process that got the dead holder's pid", async () => {
    const { state } = await temporaryState();
    await forgeHolder(state, { start_time: "1" });
    await using mine = await acquireLease(state, { now });
    expect(mine.version).toBe(8);
  });

  it("is kept by a live holder whatever its clock says", async () => {
    const { state } = await temporaryState();
    const other = children.start(state.base, state.fleet, String(TTL));
    await other.ask("lease");
    await expect(acquireLease(state, { now: wrongClock, ttlMs: TTL, waitMs: 3 * TTL })).rejects.toMatchObject(
      {
        code: "LEASE_HELD",
      },
    );
    expect(await other.ask("assert")).toBe("held");
  });

  it("is taken from a stopped holder after a TTL of watching; the holder is fenced when it goes on", async () => {
    const { state } = await temporaryState();
    const other = children.start(state.base, state.fleet, String(TTL));
    await other.ask("lease");
    other.process.kill("SIGSTOP");
    const started = performance.now();
    await using mine = await acquireLease(state, { now, ttlMs: TTL, waitMs: 20_000 });
    expect(performance.now() - started).toBeGreaterThanOrEqual(TTL);
    other.process.kill("SIGCONT");
    expect(await other.ask("assert")).toBe("LEASE_LOST");
    expect(await other.ask("release")).toBe("released");
    await mine.assertHeld();
    expect((await leaseFile(state)).version).toBe(2);
  });

  it("of a machine that went away is watched for a TTL even by a caller who would not wait", async () => {
    const { state } = await temporaryState();
    await forgeHolder(state, { boot_id: "another", host: "elsewhere", heartbeat_at: now() - 60_000 });
    await using mine = await acquireLease(state, { now, ttlMs: TTL });
    expect(mine.version).toBe(8);
  });

  it("of another machine with a fresh heartbeat is respected", async () => {
    const { state } = await temporaryState();
    await forgeHolder(state, { boot_id: "another", host: "elsewhere" });
    await expect(acquireLease(state, { now })).rejects.toMatchObject({
      code: "LEASE_HELD",
      message: expect.stringContaining("on elsewhere since "),
    });
  });

  it("is lost, not crashed, when its file disappears or is torn", async () => {
    const { state, problems } = await temporaryState();
    const lease = await acquireLease(state, { now });
    await writeFile(join(state.dir, "lease.json"), '{"v":1,"ver');
    await expect(lease.assertHeld()).rejects.toMatchObject({ code: "LEASE_LOST" });
    await using next = await acquireLease(state, { now });
    await next.assertHeld();
    expect(problems.map((problem) => problem.code)).toEqual(["state-file-damaged"]);
    expect(await readdir(state.dir)).toContain("lease.json.quarantined-1");
    await lease[Symbol.asyncDispose]();
    await next.assertHeld();
  });

  it("is lost with its directory, and nothing of it makes the directory anew", async () => {
    const { state } = await temporaryState();
    const lease = await acquireLease(state, { now, ttlMs: 90 });
    await rm(state.base, { recursive: true, maxRetries: 3 });
    await sleep(100);
    await expect(lease.assertHeld()).rejects.toMatchObject({ code: "LEASE_LOST" });
    await lease[Symbol.asyncDispose]();
    await expect(readdir(state.base)).rejects.toThrow("ENOENT");
  });

  it("keeps its heartbeat going", async () => {
    const { state } = await temporaryState();
    await using lease = await acquireLease(state, { now, ttlMs: 150 });
    const before = (await leaseFile(state)).holder?.["heartbeat_at"];
    await sleep(400);
    expect(Number((await leaseFile(state)).holder?.["heartbeat_at"])).toBeGreaterThan(Number(before));
    await lease.assertHeld();
  });
});

describe("an address lock", () => {
  it("lets one process work on an address, and others on other addresses", async () => {
    const { state } = await temporaryState();
    const other = children.start(state.base, state.fleet);
    await using lock = await lockAddress(state, "agent/work", { waitMs: 0 });
    expect(lock).toBeDefined();
    expect(await other.ask("lock agent/work")).toBe("ADDRESS_BUSY");
    expect(await other.ask("lock agent/other")).toBe("locked");
    await expect(lockAddress(state, "agent/other", { waitMs: 0 })).rejects.toMatchObject({
      code: "ADDRESS_BUSY",
      exitCode: 75,
    });
  });

  it("holds within one process too, and leaves no file behind", async () => {
    const { state } = await temporaryState();
    const first = await lockAddress(state, "shared", { waitMs: 0 });
    await expect(lockAddress(state, "shared", { waitMs: 50 })).rejects.toMatchObject({
      code: "ADDRESS_BUSY",
    });
    await first[Symbol.asyncDispose]();
    await using second = await lockAddress(state, "shared", { waitMs: 0 });
    expect(second).toBeDefined();
    await second[Symbol.asyncDispose]();
    expect(await readdir(join(state.dir, "locks"))).toEqual([]);
  });

  it("is released without waiting for anybody, and never takes another's away", async () => {
    const { state } = await temporaryState();
    const file = join(state.dir, "locks", "shared.json");
    const first = await lockAddress(state, "shared", { waitMs: 0 });
    await withMutex(file, async () => first[Symbol.asyncDispose]());
    expect(existsSync(file)).toBe(false);
    const second = await lockAddress(state, "shared", { waitMs: 0 });
    const other = (await readFile(file, "utf8")).replace(/"token":"[^"]+"/, '"token":"another"');
    await writeFile(file, other);
    await second[Symbol.asyncDispose]();
    expect(await readFile(file, "utf8")).toBe(other);
  });

  it("goes to exactly one of those who try at once, again and again", async () => {
    const { state } = await temporaryState();
    const racers = [1, 2, 3, 4].map(() => children.start(state.base, state.fleet));
    for (const address of ["agent/a", "agent/b", "agent/c", "agent/d", "agent/e"]) {
      const answers = await Promise.all(racers.map((racer) => racer.ask(`lock ${address}`)));
      expect(answers.toSorted()).toEqual(["ADDRESS_BUSY", "ADDRESS_BUSY", "ADDRESS_BUSY", "locked"]);
    }
  });

  it.each<[string, (path: string) => Promise<unknown>, readonly string[]]>([
    ["without its text", (path) => writeFile(path, ""), []],
    ["with something else in it", (path) => writeFile(path, "{"), ["state-file-damaged"]],
    ["as a folder", (path) => mkdir(path), ["state-file-damaged"]],
  ])("is free where a crash of the machine left it %s", async (_, leave, told) => {
    const problems: Diagnostic[] = [];
    const { state } = await temporaryState();
    await mkdir(join(state.dir, "locks"), { recursive: true });
    await leave(join(state.dir, "locks", "shared.json"));
    const watched = { ...state, onProblem: (problem: Diagnostic) => problems.push(problem) };
    await using lock = await lockAddress(watched, "shared", { waitMs: 0 });
    expect(lock).toBeDefined();
    expect(problems.map(({ code }) => code)).toEqual(told);
  });

  it("of a killed process is free at once", async () => {
    const { state } = await temporaryState();
    const other = children.start(state.base, state.fleet);
    expect(await other.ask("lock shared")).toBe("locked");
    await other.kill();
    await using lock = await lockAddress(state, "shared", { waitMs: 0 });
    expect(lock).toBeDefined();
  });
});

describe("racing processes", () => {
  it("agree on the owner id and the key of a new state directory", async () => {
    const base = await temporaryDirectory();
    const racers = [1, 2, 3].map(() => children.start(base, "team"));
    const answers = await Promise.all(racers.map((racer) => racer.ask("ids")));
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toMatch(/^[0-9a-f]{16} [0-9a-f]{12}$/);
  });

  it("lose no hold to one another", async () => {
    const base = await temporaryDirectory();
    const racers = [1, 2, 3].map(() => children.start(base, "team"));
    await Promise.all(
      racers.flatMap((racer, n) => [1, 2, 3].map((each) => racer.ask(`hold agent/a${n}-${each}`))),
    );
    const { holds } = JSON.parse(await readFile(join(fleetState(base, "team").dir, "holds.json"), "utf8"));
    expect(holds).toHaveLength(9);
  });
});
