// What keeps a runtime's limits on a host, and what is refused where they would not hold: on a real sshd whose systemd is a
// stub over real control groups.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Driver } from "../../src/drivers/driver.ts";
import { sshDriver } from "../../src/drivers/ssh/index.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { describeWith } from "../support/services.ts";
import { startCutter } from "../support/sshd.ts";
import type { LimitingSshd } from "../support/systemd-stub.ts";
import { startLimitingSshd } from "../support/systemd-stub.ts";
import { bareHarness, Fleet, exec, folderSource, realDeps, start, until } from "./harness.ts";

const MIB = 1024 * 1024;
const GROUP = ["sh", "-c", "sed -n 's/^0:://p' /proc/self/cgroup"];

describeWith(["ssh"], "the limits of a runtime on a host", () => {
  let sshd: LimitingSshd;
  let dir = "";
  let driver: Driver;
  const deps = () => realDeps(join(dir, "state"), { PATH: process.env["PATH"], HOME: dir });

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "sandkeep-limits-"));
    sshd = await startLimitingSshd();
    driver = await sshDriver.open(sshd.host(), deps());
  });
  afterAll(async () => {
    await driver?.[Symbol.asyncDispose]();
    await sshd?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  function fleet(options: JsonObject = {}, through: Driver = driver): Fleet {
    const plain = { workspace_root: join(dir, "root"), memory: 64 * MIB, cpus: 0.5, pids: 100, ...options };
    const harness = bareHarness({
      module: sshDriver,
      host: sshd.host(),
      deps: deps(),
      plain,
      source: async () => folderSource(dir),
    });
    return new Fleet(harness, through);
  }

  it.each(["ssh2", "openssh"] as const)(
    "every command is in the runtime's slice, over %s",
    async (transport) => {
      await using other = await sshDriver.open(sshd.host("build1", { transport }), deps());
      await using mine = fleet({}, other);
      const { objectId } = await mine.run("a");
      const slice = `/sandkeep.slice/sandkeep-${objectId}.slice/`;
      const found = await Promise.all([1, 2, 3].map(async () => exec(other, objectId, GROUP)));
      for (const { stdout } of found) expect(stdout.toString()).toContain(slice);
      expect(new Set(found.map(({ stdout }) => stdout.toString())).size).toBe(3);
      const typed = await start(other, { objectId, argv: GROUP, tty: { rows: 24, columns: 80 } });
      expect((await typed.ran).stdout.toString()).toContain(slice);
      const names = ["memory.max", "memory.swap.max", "cpu.max", "pids.max"];
      const limits = await Promise.all(names.map(async (name) => sshd.read(objectId, name)));
      expect(limits).toEqual([String(64 * MIB), "0", "50000 100000", "100"]);
      await other.remove(objectId, "delete");
      expect(await sshd.slices()).not.toContain(`sandkeep-${objectId}.slice`);
    },
  );

  it("a command is told from one whose memory ran out, by what the group says", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const dies = async (name: string) => {
      const argv = ["sh", "-c", `echo here; until [ -e "$1" ]; do sleep 0.1; done; kill -KILL $$`, "sh"];
      const began = await start(driver, { objectId, argv: [...argv, join(dir, name)] });
      await began.waitFor("here");
      return began.handle;
    };
    const ended = await dies("never");
    await sshd.write(objectId, "memory.events", "low 0\noom 1\noom_kill 1");
    await ended.signal("SIGKILL");
    expect(await ended.result).toEqual({ exitCode: 137 });
    const starved = await dies("starved");
    await sshd.write(objectId, "memory.events", "low 0\noom 2\noom_kill 2");
    await writeFile(join(dir, "starved"), "");
    expect(await starved.result).toEqual({ exitCode: 137, because: "out-of-memory" });
    const other = await start(driver, { objectId, argv: ["sh", "-c", "kill -KILL $$"] });
    expect(await other.handle.result).toEqual({ exitCode: 137 });
  });

  it("a limit that somebody lifted is seen, and holds again for the next command", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const shown = async () => (await driver.inspect(objectId))?.fields;
    await sshd.write(objectId, "memory.max", "max");
    await sshd.write(objectId, "cpu.max", "200000 100000");
    expect(await shown()).toMatchObject({ "ssh.memory": null, "ssh.cpus": 2, "ssh.pids": 100 });
    expect((await exec(driver, objectId, ["true"])).exitCode).toBe(0);
    expect(await shown()).toMatchObject({ "ssh.memory": 64 * MIB, "ssh.cpus": 0.5, "ssh.pids": 100 });
  });

  it("a runtime that could not be made leaves no slice behind", async () => {
    await using mine = fleet();
    const { labels } = await mine.run("a");
    const before = await sshd.slices();
    const spec = await mine.spec();
    await expect(driver.create({ name: labels.name, labels, spec })).rejects.toMatchObject({
      code: "SSH_CONFLICT",
    });
    expect(await sshd.slices()).toEqual(before);
  });

  it("limits that are taken away bind nothing any more", async () => {
    await using mine = fleet();
    const { objectId, labels } = await mine.run("a");
    const spec = await mine.spec({ options: { memory: "none", cpus: "none", pids: "unlimited" } });
    const paths = ["ssh.memory", "ssh.cpus", "ssh.pids"];
    await driver.update({ objectId, spec, paths, labels: { ...labels, spec } });
    expect(await sshd.read(objectId, "memory.max")).toBe("max");
    expect((await exec(driver, objectId, GROUP)).stdout.toString()).not.toContain("sandkeep.slice");
    expect((await driver.inspect(objectId))?.fields).toMatchObject({ "ssh.memory": null, "ssh.pids": null });
  });

  const REFUSALS = [
    ["absent", "no systemd user manager"],
    ["forgets", "memory.max is max, not 67108864"],
    ["astray", "not in sandkeep-"],
  ] as const;

  it.each(REFUSALS)("nothing runs where the systemd is %s", async (what, why) => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const mark = join(dir, `ran-${what}`);
    await sshd.stub(what, true);
    try {
      // A limit that has to be set again.
      await sshd.write(objectId, "memory.max", "max");
      const refused = {
        code: "SSH_NO_LIMITS",
        kind: "denied",
        message: expect.stringContaining(why) as unknown,
      };
      await expect(exec(driver, objectId, ["touch", mark])).rejects.toMatchObject(refused);
      const typed = { objectId, argv: ["touch", mark], tty: { rows: 24, columns: 80 } };
      await expect(start(driver, typed)).rejects.toMatchObject(refused);
      if (what !== "astray") await expect(mine.run("b")).rejects.toMatchObject(refused);
      await expect(readFile(mark)).rejects.toMatchObject({ code: "ENOENT" });
    } finally {
      await sshd.stub(what, false);
    }
    expect((await exec(driver, objectId, ["touch", mark])).exitCode).toBe(0);
  });

  it("what the account's systemd may not limit, or not outlive, is told and refused", async () => {
    const settings = (options: JsonObject) => fleet().settings({ options });
    const told = async (...all: JsonObject[]) => {
      const reasons = (await driver.lacks?.(all.map(settings))) ?? [];
      return reasons.map((each) => each.map(({ code }) => code));
    };
    const none = { memory: "none", cpus: "none", pids: "unlimited" };
    expect(await told({}, { ...none, pids: 5 }, none)).toEqual([[], [], []]);
    await sshd.delegate("memory pids");
    await sshd.stub("lingers", false);
    try {
      expect(await told({}, { ...none, pids: 5 }, none, { on_disconnect: "keep" })).toEqual([
        ["cpu-limit-unsupported"],
        [],
        [],
        ["cpu-limit-unsupported", "linger-off"],
      ]);
      await using kept = fleet({ on_disconnect: "reattach", cpus: "none" });
      await expect(kept.run("a")).rejects.toMatchObject({
        code: "SSH_NO_LIMITS",
        message: expect.stringContaining("ends with its last connection") as unknown,
      });
    } finally {
      await sshd.delegate("cpu memory pids");
      await sshd.stub("lingers", true);
    }
  });

  it("a command that outlives its connection stays within its limits, and ends as it ends", async () => {
    await using cutter = await startCutter(sshd.port);
    const target = `${sshd.user}@127.0.0.1:${String(cutter.port)}`;
    const known_hosts = `[127.0.0.1]:${String(cutter.port)} ${sshd.hostKey}`;
    const { known_hosts_file: _, ...ssh } = sshd.access({ target, known_hosts });
    await using cut = await sshDriver.open({ name: "build1", ssh, labels: {} }, deps());
    await using mine = fleet({ on_disconnect: "reattach" });
    const { objectId } = await mine.run("a");
    const go = join(dir, "go");
    const script = `echo begun; until [ -e "$1" ]; do sleep 0.1; done; cat /proc/self/cgroup; exit 9`;
    const kept = await start(cut, { objectId, argv: ["sh", "-c", script, "sh", go] });
    await kept.waitFor("begun");
    cutter.cut();
    const before = cutter.connections();
    await until(() => cutter.connections() > before, "a new connection", 60_000);
    expect((await exec(driver, objectId, ["touch", go])).exitCode).toBe(0);
    const { exitCode, stdout } = await kept.ran;
    expect([exitCode, stdout.toString()]).toEqual([
      9,
      expect.stringContaining(`/sandkeep-${objectId}.slice/`) as unknown,
    ]);
  });
});
