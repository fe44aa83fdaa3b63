// What the ssh driver does beyond the contract: what others leave on the host, and what breaks on the way there.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { create } from "tar";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sshDriver } from "../../src/drivers/ssh/index.ts";
import { observeFleet } from "../../src/drivers/ssh/observe.ts";
import type { Driver } from "../../src/drivers/driver.ts";
import { SandkeepError } from "../../src/errors.ts";
import type { Host } from "../../src/model/settings.ts";
import type { Connection } from "../../src/remote/connection.ts";
import { openConnection } from "../../src/remote/open.ts";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { startCutter, startSshd } from "../support/sshd.ts";
import type { ContractHarness } from "./harness.ts";
import { bareHarness, Fleet, complete, exec, folderSource, realDeps, start, until } from "./harness.ts";

const run = promisify(execFile);

describeWith(["ssh"], "the ssh driver on a host that is not its own", () => {
  let sshd: Sshd;
  let dir = "";
  let driver: Driver;
  const root = (): string => join(dir, "root with a blank");
  const deps = (name = "state") => realDeps(join(dir, name), { PATH: process.env["PATH"], HOME: dir });

  function harness(host: Host): ContractHarness {
    return bareHarness({
      module: sshDriver,
      host,
      deps: deps(),
      plain: { workspace_root: root() },
      source: async () => folderSource(dir),
    });
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "sandkeep-ssh-"));
    sshd = await startSshd();
    driver = await sshDriver.open(sshd.host(), deps());
  });
  afterAll(async () => {
    await driver?.[Symbol.asyncDispose]();
    await sshd?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  it("is no place for sandboxes where the account has no home to write to, and says what to do", async () => {
    await using homeless = await startSshd(["SetEnv HOME=/nonexistent"]);
    await using reader = await sshDriver.openReader(homeless.host("homeless"), deps());
    expect(await reader.probe()).toMatchObject({
      status: "unavailable",
      reasons: [{ code: "ssh-workspace-root", fix: "give the account a home of its own" }],
    });
  });

  it("observes 200 runtimes in one round trip", async () => {
    await using mine = new Fleet(harness(sshd.host()), driver);
    const made = await mine.run("a", { access: "none" });
    const fleet = join(root(), mine.name);
    const manifest = await readFile(join(fleet, "objects", made.objectId, "manifest.json"), "utf8");
    for (let n = 0; n < 199; n += 1) {
      const id = n.toString(16).padStart(16, "0");
      const object = join(fleet, "objects", id);
      await mkdir(join(object, "home"), { recursive: true });
      await mkdir(join(object, "workspace"));
      await writeFile(join(object, "manifest.json"), manifest.replaceAll(made.objectId, id));
      await writeFile(join(fleet, "names", `${mine.name}-n${String(n)}`), `${id}\n`);
    }
    await using real = openConnection("build1", sshd.access(), deps());
    let trips = 0;
    const connection: Connection = {
      ...real,
      script: async (request) => {
        trips += 1;
        return real.script(request);
      },
    };
    const seen = complete(await observeFleet({ deps: deps(), host: sshd.host(), connection }, mine.scope()));
    expect([seen.runtimes.length, trips]).toEqual([200, 1]);
    expect(seen.runtimes.every((each) => each.state === "running")).toBe(true);
  });

  it("sees all that is there while others make and remove theirs", async () => {
    await using mine = new Fleet(harness(sshd.host()), driver);
    for (const name of ["a", "b", "c"]) await mine.run(name);
    const fleet = join(root(), mine.name);
    const churn = `while :; do for n in 0 1 2 3 4 5 6 7 8 9; do
      mkdir -p objects/000000000000000$n; echo 000000000000000$n >names/aa$n; echo {} >objects/000000000000000$n/manifest.json
      rm -rf names/aa$n objects/000000000000000$n; done; done`;
    const others = spawn("sh", ["-c", churn], { cwd: fleet, stdio: "ignore" });
    try {
      for (let n = 0; n < 40; n += 1) {
        const { runtimes } = await mine.observe();
        expect(runtimes.map(({ state }) => state)).toEqual(["running", "running", "running"]);
      }
    } finally {
      const ended = once(others, "exit");
      others.kill("SIGKILL");
      await ended;
    }
  });

  it("takes nothing that somebody left there for more than it is", async () => {
    await using mine = new Fleet(harness(sshd.host()), driver);
    const good = await mine.run("good");
    const bad = await Promise.all(
      ["large", "torn", "pipe", "link", "escape"].map(async (name) => mine.run(name)),
    );
    const fleet = join(root(), mine.name);
    const [large, torn, pipe, link, escape] = bad.map(({ objectId }) =>
      join(fleet, "objects", objectId, "manifest.json"),
    );
    const text = await readFile(escape ?? "", "utf8");
    await writeFile(large ?? "", " ".repeat(3_000_000));
    await writeFile(torn ?? "", text.slice(0, 40));
    await rm(pipe ?? "");
    await run("mkfifo", [pipe ?? ""]);
    await rm(link ?? "");
    await symlink("/etc/passwd", link ?? "");
    await writeFile(
      escape ?? "",
      text.replace('"A":', '"\\u001b[2J":').replace("C.UTF-8", "\\u001b]0;x\\u0007"),
    );
    await mkdir(join(fleet, "objects", "..odd name\n"));
    await cp(join(fleet, "objects", good.objectId), join(fleet, "objects", "f".repeat(16)), {
      recursive: true,
    });
    await writeFile(join(fleet, "names", "swapped"), `${"f".repeat(16)}\n`);
    await writeFile(join(fleet, "names", "endless"), "f".repeat(2_000_000));
    await symlink("/etc", join(fleet, "names", "away"));
    const { runtimes, foreign } = await mine.observe({ names: ["endless", "away"] });
    const states = Object.fromEntries(runtimes.map((each) => [each.labels.address, each.state]));
    expect(states).toEqual({
      "agent/good": "running",
      "agent/large": "broken",
      "agent/torn": "broken",
      "agent/pipe": "broken",
      "agent/link": "broken",
      "agent/escape": "broken",
    });
    expect(foreign.map((each) => each.name).toSorted()).toEqual(["away", "endless", "swapped"]);
    await rm(join(fleet, "objects", "..odd name\n"), { recursive: true });
  });

  it("gives a name on whose sandbox somebody deleted, and not one whose folder became something else", async () => {
    await using mine = new Fleet(harness(sshd.host()), driver);
    const gone = await mine.run("gone");
    const led = await mine.run("led");
    const objects = join(root(), mine.name, "objects");
    await rm(join(objects, gone.objectId), { recursive: true });
    await rename(join(objects, led.objectId), join(dir, led.objectId));
    await symlink(join(dir, led.objectId), join(objects, led.objectId));
    const { runtimes, foreign } = await mine.observe({ names: [gone.name, led.name] });
    expect([runtimes, foreign.map((each) => each.name)]).toEqual([[], [led.name]]);
    const again = await mine.run("gone");
    expect(again.name).toBe(gone.name);
    await expect(mine.run("led")).rejects.toMatchObject({ kind: "conflict" });
    expect((await readdir(objects)).toSorted()).toEqual([again.objectId, led.objectId].toSorted());
    await rm(join(root(), mine.name, "names", led.name));
    await rm(join(objects, led.objectId));
  });

  it("lets one of two controllers win, each with a connection of its own", async () => {
    await using mine = new Fleet(harness(sshd.host()), driver);
    await using other = await sshDriver.open(sshd.host("also-build1"), deps("elsewhere"));
    const spec = await mine.spec();
    const labels = mine.labels("a", spec);
    const tries = [driver, other, driver, other].map(async (each) =>
      each.create({ name: labels.name, labels, spec }),
    );
    const settled = await Promise.allSettled(tries);
    expect(settled.filter((each) => each.status === "fulfilled")).toHaveLength(1);
    const { object_id: id } = await mine.only();
    await Promise.all([driver.remove(id, "delete"), other.remove(id, "delete")]);
    expect((await mine.observe()).runtimes).toEqual([]);
  });

  it("keeps links as they are, and writes through none", async () => {
    await using mine = new Fleet(harness(sshd.host()), driver);
    const { objectId } = await mine.run("a", { access: "rw" });
    const source = await mkdtemp(join(dir, "links-"));
    await symlink("/etc/hostname", join(source, "absolute"));
    await symlink("../../outside", join(source, "above"));
    await driver.putFiles(objectId, "/workspace", Readable.from(create({ cwd: source }, ["."])));
    const found = await exec(driver, objectId, ["readlink", "absolute", "above"]);
    expect(found.stdout.toString()).toBe("/etc/hostname\n../../outside\n");
    const victim = await mkdtemp(join(dir, "victim-"));
    await rm(join(source, "above"));
    await symlink(victim, join(source, "out"));
    const linked = Buffer.concat(await Readable.from(create({ cwd: source }, ["out"])).toArray());
    await rm(join(source, "out"));
    await mkdir(join(source, "out"));
    await writeFile(join(source, "out", "file"), "through");
    const second = Buffer.concat(await Readable.from(create({ cwd: source }, ["out/file"])).toArray());
    const both = Readable.from([linked.subarray(0, 512), second]);
    await expect(driver.putFiles(objectId, "/workspace", both)).rejects.toMatchObject({ kind: "denied" });
    expect(await readdir(victim)).toEqual([]);
    const get = driver.getFiles(objectId, "/workspace/../../../etc/hostname");
    await expect(get).rejects.toMatchObject({ code: "SSH_PATH_REFUSED" });
  });

  async function throughCutter(port: number): Promise<Driver> {
    const target = `${sshd.user}@127.0.0.1:${String(port)}`;
    const known_hosts = `[127.0.0.1]:${String(port)} ${sshd.hostKey}`;
    const { known_hosts_file: _, ...ssh } = sshd.access({ target, known_hosts });
    return sshDriver.open({ name: "cut", ssh, labels: {} }, deps());
  }

  it.each([0, 300, 2_000])("is not observed when it is cut off %i bytes into its greeting", async (bytes) => {
    await using mine = new Fleet(harness(sshd.host()), driver);
    await using cutter = await startCutter(sshd.port);
    await using cut = await throughCutter(cutter.port);
    cutter.cutAfter(bytes);
    expect(await cut.observe(mine.scope())).toMatchObject({ status: "unobserved", kind: "unreachable" });
    cutter.cutAfter(undefined);
    expect(complete(await cut.observe(mine.scope())).runtimes).toEqual([]);
  });

  it.each([0, 400, 4_000])(
    "is removed by the next try when the first was cut off after %i bytes",
    async (bytes) => {
      await using mine = new Fleet(harness(sshd.host()), driver);
      await using cutter = await startCutter(sshd.port);
      await using cut = await throughCutter(cutter.port);
      const { objectId } = await mine.run("a", { access: "rw" });
      expect(await cut.inspect(objectId)).toBeDefined();
      cutter.cutAfter(bytes);
      const ended = await cut.remove(objectId, "delete").then(
        () => "removed",
        (thrown: unknown) => (thrown instanceof SandkeepError ? thrown.kind : String(thrown)),
      );
      expect(["removed", "unreachable"]).toContain(ended);
      await driver.remove(objectId, "delete");
      expect(await driver.inspect(objectId)).toBeUndefined();
      const left = async () =>
        Promise.all(["objects", "names", "workspaces"].map((name) => readdir(join(root(), mine.name, name))));
      // The first one may be at it still.
      await until(async () => (await left()).flat().length === 0, "the end of the first removal");
    },
  );

  it("is not gone on with in a workspace that was let go when the connection was cut", async () => {
    await using mine = new Fleet(harness(sshd.host()), driver);
    await using cutter = await startCutter(sshd.port);
    await using cut = await throughCutter(cutter.port);
    const { objectId } = await mine.run("a", { access: "rw" });
    const open = await cut.openWorkspace?.(objectId);
    if (open === undefined) throw new Error("this driver opens no workspaces");
    await using _open = open;
    expect((await open.list(() => undefined)).size).toBe(0);
    cutter.cut();
    await expect(open.list(() => undefined)).rejects.toMatchObject({ code: "SSH_LOST" });
    // The connection is there again, and somebody else has the workspace.
    expect(await cut.inspect(objectId)).toBeDefined();
    await using _other = await driver.openWorkspace?.(objectId);
    await expect(open.list(() => undefined)).rejects.toMatchObject({ code: "SSH_LOST" });
  });

  async function seeded(fleet: Fleet, name: string) {
    const made = await fleet.run(name, { access: "rw" });
    await driver.putFiles(
      made.objectId,
      "/workspace",
      Readable.from(create({ cwd: made.spec.source }, ["."])),
    );
    return made;
  }

  it("deletes no folder that a command has led the workspace's link to", async () => {
    await using mine = new Fleet(harness(sshd.host()), driver);
    const made = await seeded(mine, "a");
    const other = await seeded(mine, "b");
    const fleet = join(root(), mine.name);
    const away = join(dir, "workspaces", mine.name);
    await mkdir(join(away, "workspace"), { recursive: true });
    await writeFile(join(away, "workspace", "precious"), "");
    await writeFile(join(away, "key"), `${mine.name}\n`);
    const unmarked = join(fleet, "workspaces", "unmarked");
    await mkdir(join(unmarked, "workspace"), { recursive: true });
    for (const [{ objectId }, to] of [
      [made, away],
      [other, unmarked],
    ] as const) {
      const link = join(fleet, "objects", objectId, "workspace");
      await rm(link);
      await symlink(join(to, "workspace"), link);
      await driver.remove(objectId, "delete");
      expect(await driver.inspect(objectId)).toBeUndefined();
    }
    expect(await readdir(join(away, "workspace"))).toEqual(["precious"]);
    expect(await readdir(unmarked)).toEqual(["workspace"]);
    await rm(unmarked, { recursive: true });
    for (const address of ["agent/a", "agent/b"]) await driver.forget(mine.scope(), address);
    expect(await readdir(join(fleet, "workspaces"))).toEqual([]);
  });

  it("keeps a workspace that is in use from another root", async () => {
    const elsewhere = { ...harness(sshd.host()), plain: { workspace_root: join(dir, "second root") } };
    await using mine = new Fleet(harness(sshd.host()), driver);
    const first = await seeded(mine, "a");
    await using beside = new Fleet(elsewhere, driver);
    const spec = await beside.spec({ access: "rw" });
    const labels = { ...mine.labels("a", spec), name: `${mine.name}-again` };
    const second = await driver.create({ name: labels.name, labels, spec });
    expect(second.needsSeed).toBe(false);
    await driver.remove(first.objectId, "delete");
    expect((await exec(driver, second.objectId, ["cat", "keep.txt"])).exitCode).toBe(0);
    await driver.remove(second.objectId, "delete");
    expect(await readdir(join(root(), mine.name, "workspaces"))).toEqual([]);
  });

  it.each([
    ["reattach", "none"],
    ["reattach", "bubblewrap"],
    ["kill", "none"],
  ])(
    "does with a command that is cut off as on_disconnect = %j says, with isolation = %j",
    async (does, isolation) => {
      const plain = { workspace_root: root(), on_disconnect: does, isolation };
      await using mine = new Fleet({ ...harness(sshd.host()), plain }, driver);
      const { objectId } = await mine.run("a", { access: "none" });
      await using cutter = await startCutter(sshd.port);
      await using cut = await throughCutter(cutter.port);
      const argv = [
        "sh",
        "-c",
        "echo x >>times; echo go; while [ ! -e on ]; do sleep 0.05; done; echo done; exit 3",
      ];
      const begun = await start(cut, { objectId, argv });
      await begun.waitFor("go");
      cutter.cut();
      const ended = begun.ran.then(
        ({ exitCode, stdout }) => `${String(exitCode)} ${stdout.toString()}`,
        (thrown: unknown) => String(thrown),
      );
      if (does === "kill") expect(await ended).toMatch(/lost before .*; it was ended there/);
      await exec(driver, objectId, ["touch", "on"]);
      if (does === "reattach") expect(await ended).toBe("3 go\ndone\n");
      expect((await exec(driver, objectId, ["cat", "times"])).stdout.toString()).toBe("x\n");
    },
  );

  it("holds no more runtimes than it may, and lets each of them be replaced", async () => {
    await using crowded = await startSshd();
    const host = { ...crowded.host("crowded"), max_runtimes: 2 };
    await using full = await sshDriver.open(host, deps("crowded"));
    // What other tests leave in theirs is not counted here.
    const plain = { workspace_root: join(dir, "crowded") };
    await using mine = new Fleet({ ...harness(host), plain }, full);
    const [a] = await Promise.all(["a", "b"].map(async (name) => mine.run(name, { access: "none" })));
    if (a === undefined) throw new Error("no runtime");
    const spec = await mine.spec({ access: "none" });
    const make = async (suffix: string, slot: string) => {
      const labels = mine.labels(suffix, spec);
      return full.create({ name: `${labels.name}${slot}`, labels, spec });
    };
    const refused = { code: "SSH_HOST_FULL", kind: "denied" };
    await expect(make("c", ".new")).rejects.toMatchObject(refused);
    const next = await make("a", ".new");
    // Both slots of one runtime are one runtime, for others too.
    const other = await make("b", ".new");
    await expect(make("c", ".new")).rejects.toMatchObject(refused);
    await full.remove(other.objectId, "keep");
    await full.rename(a.objectId, `${a.labels.name}.old`);
    await full.rename(next.objectId, a.labels.name);
    await expect(make("c", ".new")).rejects.toMatchObject(refused);
    await full.remove(a.objectId, "keep");
    await full.remove(next.objectId, "keep");
    expect((await make("c", ".new")).objectId).toMatch(/^[0-9a-f]{16}$/);
  });

  it("is full, then read-only, and each is told as that; what was there stays", async () => {
    const small = await mkdtemp(join(dir, "small-"));
    await run("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", small]);
    try {
      const plain = { workspace_root: join(small, "root") };
      await using mine = new Fleet({ ...harness(sshd.host()), plain }, driver);
      const { objectId } = await mine.run("a", { access: "none" });
      const source = await mkdtemp(join(dir, "large-"));
      await writeFile(join(source, "large"), Buffer.alloc(4_000_000, 1));
      const put = driver.putFiles(objectId, "/workspace", Readable.from(create({ cwd: source }, ["."])));
      await expect(put).rejects.toMatchObject({ code: "SSH_NO_SPACE", kind: "transient" });
      const wrote = await exec(driver, objectId, [
        "sh",
        "-c",
        "cat /dev/zero >fill; echo kept >keep; exit 4",
      ]);
      expect(wrote.exitCode).toBe(4);
      const spec = await mine.spec({ access: "none" });
      const labels = mine.labels("b", spec);
      const second = driver.create({ name: labels.name, labels, spec });
      await expect(second).rejects.toMatchObject({
        code: expect.stringMatching(/SSH_(NO_SPACE|CANNOT_WRITE)/),
      });
      expect((await mine.only()).object_id).toBe(objectId);
      await exec(driver, objectId, ["rm", "fill"]);
      await run("mount", ["-o", "remount,ro", small]);
      expect((await mine.only()).state).toBe("running");
      const third = driver.create({ name: labels.name, labels, spec });
      await expect(third).rejects.toMatchObject({ code: "SSH_CANNOT_WRITE", kind: "denied" });
      await expect(driver.remove(objectId, "delete")).rejects.toMatchObject({ kind: "denied" });
      expect((await mine.only()).object_id).toBe(objectId);
      await run("mount", ["-o", "remount,rw", small]);
      await driver.remove(objectId, "delete");
    } finally {
      await run("umount", ["-l", small]);
    }
  });

  it("makes nothing where the host cannot write, and says so", async () => {
    const kept = { ...harness(sshd.host()), plain: { workspace_root: "/proc/sandkeep" } };
    await using mine = new Fleet(kept, driver);
    const spec = await mine.spec({ access: "rw" });
    const labels = mine.labels("a", spec);
    const made = driver.create({ name: labels.name, labels, spec });
    await expect(made).rejects.toMatchObject({ code: "SSH_CANNOT_WRITE", kind: "denied" });
    expect((await mine.observe()).runtimes).toEqual([]);
  });

  it.each([0.1, 0.5, 0.99])("takes no seed that was cut off at %f for a workspace", async (part) => {
    await using mine = new Fleet(harness(sshd.host()), driver);
    await using cutter = await startCutter(sshd.port);
    await using cut = await throughCutter(cutter.port);
    const spec = await mine.spec({ access: "rw" });
    const labels = mine.labels("a", spec);
    const made = await cut.create({ name: labels.name, labels, spec });
    expect(made.needsSeed).toBe(true);
    await writeFile(join(spec.source, "large"), Buffer.alloc(2_000_000, 1));
    cutter.cutAfter(Math.round(2_000_000 * part));
    const seed = cut.putFiles(
      made.objectId,
      "/workspace",
      Readable.from(create({ cwd: spec.source }, ["."])),
    );
    await expect(seed).rejects.toMatchObject({ kind: "unreachable" });
    cutter.cutAfter(undefined);
    await cut.remove(made.objectId, "keep");
    const again = await driver.create({ name: labels.name, labels, spec });
    expect(again.needsSeed).toBe(true);
    await driver.putFiles(again.objectId, "/workspace", Readable.from(create({ cwd: spec.source }, ["."])));
    expect((await exec(driver, again.objectId, ["wc", "-c", "large"])).stdout.toString()).toBe(
      "2000000 large\n",
    );
    await driver.remove(again.objectId, "keep");
    const third = await driver.create({ name: labels.name, labels, spec });
    expect(third.needsSeed).toBe(false);
    expect((await exec(driver, third.objectId, ["cat", "keep.txt"])).exitCode).toBe(0);
    const place = await readlink(join(root(), mine.name, "objects", third.objectId, "workspace"));
    expect(place).toContain("/workspaces/");
    await driver.remove(third.objectId, "delete");
    await expect(readdir(place)).rejects.toMatchObject({ code: "ENOENT" });
  });
});
