import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { DriverEvent } from "../../src/drivers/driver.ts";
import { podmanDriver } from "../../src/drivers/docker/podman.ts";
import { unenforced } from "../../src/diff/fields.ts";
import type { ObservedRuntime } from "../../src/model/observed.ts";
import { Search } from "../support/canary-search.ts";
import { describeWith } from "../support/services.ts";
import { DockerFleet } from "./docker-kit.ts";
import { exec } from "./harness.ts";
import { expectHeardOfNetworks } from "./network-events.ts";

describeWith(["podman"], "the podman driver on a real Podman", (services) => {
  let fleet: DockerFleet;
  beforeEach(async () => {
    const { host, images } = services().podman;
    fleet = await DockerFleet.open(host, images.busybox, undefined, {}, podmanDriver);
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  const inspect = async (id: string): Promise<ObservedRuntime> => {
    const found = await fleet.driver.inspect(id);
    if (found === undefined) throw new Error("gone");
    return found;
  };
  const differences = async (id: string): Promise<readonly string[]> =>
    unenforced(fleet.spec(), await inspect(id), podmanDriver.fields).map(({ path }) => path);

  /** What a person makes in place of a runtime: its labels, and our options but for those given. */
  async function remake(id: string, more: readonly string[]): Promise<string> {
    const labels = JSON.parse(
      await fleet.docker("inspect", id, "--format", "{{json .Config.Labels}}"),
    ) as object;
    const usual = [
      ["--network", "none"],
      ["--read-only", ""],
      ["--pids-limit", "64"],
      ["--cap-drop", "ALL"],
      ["--security-opt", "no-new-privileges"],
      ["--env", "LANG=C.UTF-8"],
      ["--volume", "/workspace"],
      ...["/tmp", "/var/tmp", "/run"].map((path) => ["--tmpfs", `${path}:noexec,notmpcopyup`]),
    ].filter(
      ([flag]) => flag?.startsWith("--tmpfs") === true || more[0]?.split("=")[0] !== flag || flag === "--env",
    );
    return fleet.docker(
      "run",
      "-d",
      "--init",
      "--entrypoint=sleep",
      "--workdir=/workspace",
      ...usual.flatMap(([flag = "", value = ""]) => [flag, value].filter((word) => word !== "")),
      ...Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${String(value)}`]),
      ...more,
      services().podman.images.busybox,
      "infinity",
    );
  }

  it("keeps nothing of a command's variables, however it gets them", async () => {
    await using search = new Search();
    const id = await fleet.up({ docker: { user: "1000:1000" } });
    const env = { TOKEN: search.value, PATH: "/nowhere" };
    const argv = ["/bin/sh", "-c", 'printf "%s " "$TOKEN" "$PATH"; /bin/ls /dev/shm; /bin/cat'];
    const tty = { rows: 30, columns: 90 };
    const run = async (wish: object): Promise<string> => {
      const ran = await exec(fleet.driver, id, argv, { env, ...wish });
      expect(ran.exitCode).toBe(0);
      return ran.stdout.toString();
    };
    expect(await run({})).toBe(`${search.value} /nowhere `);
    expect(await run({ stdin: Readable.from(["its own"]) })).toBe(`${search.value} /nowhere its own`);
    expect(await run({ stdin: Readable.from(["its own\n\u0004"]), tty })).toMatch(
      `${search.value} /nowhere `,
    );
    const cannot = ["no-such-program"];
    expect((await exec(fleet.driver, id, cannot, { env, tty })).exitCode).toBe(127);
    expect((await exec(fleet.driver, id, cannot, { env, tty, cwd: "/nowhere" })).exitCode).not.toBe(0);
    expect((await exec(fleet.driver, id, ["ls", "/dev/shm"])).stdout.toString()).toBe("");
    await search.below(dirname(services().podman.socket), (path) => path.endsWith("/merged"));
    expect(await search.found()).toEqual([]);
  });

  it("runs a command without a shell where there is none, and says what its variables need", async () => {
    const id = await fleet.up({ docker: { read_only_root: false, user: "0:0", command: ["sleep", "600"] } });
    await fleet.docker("exec", "-u", "0", id, "mv", "/bin/sh", "/bin/none");
    const env = { TOKEN: "x" };
    const program = ["echo", "ran"];
    expect((await exec(fleet.driver, id, program, { env: { PATH: "/bin" } })).stdout.toString()).toBe(
      "ran\n",
    );
    for (const wish of [{}, { tty: { rows: 30, columns: 90 } }]) {
      await expect(exec(fleet.driver, id, program, { env, ...wish })).rejects.toMatchObject({
        code: "DOCKER_SECRETS",
        message: "the command did not take its secrets (there is no shell)",
      });
    }
  });

  it("refuses a variable that its shell would not hand on", async () => {
    const id = await fleet.up();
    await expect(exec(fleet.driver, id, ["env"], { env: { TOKEN: "x", RANDOM: "7" } })).rejects.toMatchObject(
      {
        code: "DOCKER_VARIABLE",
        exitCode: 64,
        message: "this command cannot be given the variable RANDOM on podman",
      },
    );
  });

  it("never shows the state directory that lies in a workspace", async () => {
    await writeFile(join(fleet.deps.stateDir, "journal"), "private");
    const id = await fleet.up({ access: "rw", docker: { user: "0" } });
    expect(await fleet.run(id, "ls -A /workspace/state; echo x > /workspace/state/y")).toMatchObject({
      exitCode: 1,
      stdout: "",
    });
  });

  it("seeds a workspace that was made and never filled, and keeps one that somebody has or worked in", async () => {
    const volume = { access: "rw", provider: "volume" } as const;
    const mine = ["fleet=" + fleet.fleet, "fleet-id=id1", "address=agent/work", "workspace-stamp=0"];
    const labels = mine.flatMap((each) => ["--label", `sandkeep.${each}`]);
    // What a create leaves that ended before its container was there.
    await fleet.docker("volume", "create", ...labels, `${fleet.name()}-workspace`);
    const made = await fleet.driver.create(await fleet.request(volume));
    expect(made).toMatchObject({ needsSeed: true });
    await fleet.driver.start(made.objectId);
    const beside = await fleet.driver.create(await fleet.request({ ...volume, slot: ".new" }));
    expect(beside).toMatchObject({ needsSeed: false });
    await fleet.driver.remove(beside.objectId, "keep");
    expect(await fleet.run(made.objectId, "printf precious >/workspace/work")).toMatchObject({ exitCode: 0 });
    await fleet.driver.remove(made.objectId, "keep");
    const next = await fleet.driver.create(await fleet.request(volume));
    expect(next).toMatchObject({ needsSeed: false });
    await fleet.driver.start(next.objectId);
    expect(await fleet.run(next.objectId, "cat /workspace/work")).toMatchObject({ stdout: "precious" });
    await fleet.driver.remove(next.objectId, "delete");
    expect(await fleet.docker("volume", "ls", "-q", "--filter", `name=${fleet.fleet}`)).toBe("");
  });

  it("takes no workspace volume of somebody else", async () => {
    await fleet.docker("volume", "create", "--label", `test=${fleet.fleet}`, `${fleet.name()}-workspace`);
    try {
      await expect(fleet.create({ access: "rw", provider: "volume" })).rejects.toMatchObject({
        code: "DOCKER_VOLUME_FOREIGN",
      });
    } finally {
      await fleet.docker("volume", "rm", `${fleet.name()}-workspace`);
    }
  });

  it("makes a memory folder empty and without programs, as Docker does", async () => {
    const id = await fleet.up({ docker: { tmpfs: ["/etc", "/tmp:exec"] } });
    expect((await fleet.run(id, "ls -A /etc")).stdout.split("\n")).not.toContain("passwd");
    const { stdout } = await fleet.run(id, "grep -E ' /(etc|tmp) ' /proc/mounts | cut -d' ' -f2,4");
    const options = new Map(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" ") as [string, string]),
    );
    expect(options.get("/etc")).toContain("noexec");
    expect(options.get("/tmp")).not.toContain("noexec");
  });

  it("enforces its limits, by the kernel's word", async () => {
    const id = await fleet.up({ docker: { memory: 64 * 1024 * 1024, pids: 33 } });
    const limits = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max";
    const unified = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max";
    const { stdout } = await fleet.run(id, `${limits} 2>/dev/null || ${unified}`);
    expect(stdout.trim().split("\n")).toEqual([String(64 * 1024 * 1024), "33"]);
    const { stdout: caps } = await fleet.run(id, "grep CapEff /proc/self/status");
    expect(caps.replaceAll(/\s+/g, " ").trim()).toBe("CapEff: 0000000000000000");
  });

  it.each([
    ["a network", ["--network", "bridge"], "podman.network"],
    ["a capability", ["--cap-add", "NET_RAW"], "podman.cap_drop"],
    ["a writable root", ["--read-only=false"], "podman.read_only_root"],
    ["a variable", ["--env", "EXTRA=1"], "env"],
    ["nothing", [], undefined],
    ["a folder", ["--mount", "type=bind,source=/opt,target=/data"], "podman.binds"],
    ["a memory folder", ["--tmpfs", "/data:rw,exec,size=1m"], "podman.tmpfs"],
    ["a copy of the image's files in memory", ["--tmpfs", "/etc:noexec"], "podman.tmpfs"],
    ["a host namespace", ["--uts", "host"], "podman.engine_privileges"],
    ["more processes", ["--pids-limit", "900"], "podman.pids"],
  ])("sees %s that a handmade container has in place of ours", async (_, more, path) => {
    const id = await fleet.up();
    expect(await differences(id)).toEqual([]);
    expect(await differences(await remake(id, more))).toEqual(path === undefined ? [] : [path]);
  });

  it("forgets no dormancy mark with a workspace, though the engine lists what has any of the labels", async () => {
    const scope = fleet.scope();
    await fleet.driver.mark(scope, "agent/work", { since: 1, reason: "idle" });
    await fleet.driver.forget(scope, "agent/work");
    expect(await fleet.driver.observe(scope)).toMatchObject({ dormant: [{ address: "agent/work" }] });
  });

  it("lets a paused container go on", async () => {
    const id = await fleet.up();
    await fleet.docker("pause", id);
    expect((await inspect(id)).state).toBe("paused");
    await fleet.driver.start(id);
    expect((await inspect(id)).state).toBe("running");
  });

  it("calls a missing bind source, network and image what they are, and not passing trouble", async () => {
    const binds = [{ source: join(fleet.folder, "nowhere"), target: "/data", mode: "ro" }];
    await expect(fleet.create({ docker: { binds } })).rejects.toMatchObject({ code: "DOCKER_BIND_SOURCE" });
    await expect(readdir(fleet.folder)).resolves.not.toContain("nowhere");
    await expect(fleet.create({ docker: { network: "nowhere" } })).rejects.toMatchObject({
      code: "DOCKER_NETWORK_NOT_FOUND",
      hint: expect.stringContaining("podman network create"),
    });
    const request = await fleet.request();
    const { image: _, ...labels } = request.labels;
    const spec = fleet.spec({ docker: { image: "sandkeep-test/nowhere:0" } });
    await expect(fleet.driver.create({ ...request, labels, spec })).rejects.toMatchObject({
      code: "DOCKER_IMAGE_NOT_FOUND",
      kind: "terminal",
    });
  });

  it("is the same engine each time it is asked", async () => {
    const first = await fleet.driver.images?.();
    const { host, images } = services().podman;
    await using again = await DockerFleet.open(host, images.busybox, undefined, {}, podmanDriver);
    const second = await again.driver.images?.();
    expect(first?.engine_id).toMatch(/^podman:/);
    expect(second?.engine_id).toBe(first?.engine_id);
  });

  it("hears what leaves or joins a network, and not what else does", async () => {
    await expectHeardOfNetworks(fleet, services().podman.images.busybox);
  });

  it("is not woken by looking, by commands, or by files", async () => {
    const id = await fleet.up();
    const abort = new AbortController();
    const heard: DriverEvent[] = [];
    const events = await fleet.driver.events(fleet.scope(), abort.signal);
    const listening = (async () => {
      for await (const event of events) heard.push(event);
    })();
    await fleet.driver.observe(fleet.scope());
    await fleet.run(id, "true");
    await mkdir(join(fleet.folder, "x"));
    await (await fleet.driver.getFiles(id, "/etc/passwd")).resume().toArray();
    await fleet.driver.stop(id);
    await expect.poll(() => heard.length).toBeGreaterThan(0);
    const before = heard.length;
    await fleet.driver.health(id);
    await fleet.driver.observe(fleet.scope());
    abort.abort();
    await listening;
    expect(heard.slice(before).filter(({ kind }) => kind === "changed").length).toBeLessThanOrEqual(2);
    expect(heard.every((event) => event.kind === "gap" || event.address === "agent/work")).toBe(true);
  });
});
