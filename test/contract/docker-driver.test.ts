import { setTimeout as sleep } from "node:timers/promises";
import { Readable, Writable } from "node:stream";
import { chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { dockerDriver } from "../../src/drivers/docker/index.ts";
import type { DriverEvent } from "../../src/drivers/driver.ts";
import type { Json } from "../../src/model/json.ts";
import type { ObservedRuntime } from "../../src/model/observed.ts";
import type { Spec } from "../../src/model/spec.ts";
import { describeWithServices } from "../support/services.ts";
import { DockerFleet, Text } from "./docker-kit.ts";

describeWithServices("the docker driver on a real engine", (services) => {
  let fleet: DockerFleet;
  beforeEach(async () => {
    fleet = await DockerFleet.open(services().docker.host, services().docker.images.busybox);
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  const inspect = async (id: string): Promise<ObservedRuntime> => {
    const found = await fleet.driver.inspect(id);
    if (found === undefined) throw new Error("gone");
    return found;
  };

  it("reads back exactly what it was told to make", async () => {
    await mkdir(join(fleet.folder, "data"));
    const recipe = {
      access: "rw",
      env: { A: "x=y", B: "" },
      docker: {
        memory: 64 * 1024 * 1024,
        memory_swap: 96 * 1024 * 1024,
        cpus: 0.75,
        binds: [{ source: join(fleet.folder, "data"), target: "/data", mode: "ro" }],
        ulimits: { nofile: 128, nproc: { soft: 1_000, hard: 2_000 } },
        tmpfs: ["/tmp:size=8m,exec", "/run"],
        dns: ["10.0.0.2", "10.0.0.1"],
        extra_hosts: ["b:10.0.0.2", "a:10.0.0.1"],
        network: "bridge",
        user: "1000:1000",
        workdir: "/data",
        restart: "unless-stopped",
        labels: { team: "blue" },
        no_new_privileges: true,
        seccomp: "unconfined",
      },
    } as const;
    const runtime = await inspect(await fleet.up(recipe));
    expect(differences(runtime, fleet.spec(recipe))).toEqual([]);
    expect(runtime).toMatchObject({ state: "running", execs: 0, health: "none", name: fleet.name() });
  });

  it("reads back a spec of nothing but defaults without a difference, running or only created", async () => {
    const id = await fleet.create();
    expect(differences(await inspect(id), fleet.spec())).toEqual([]);
    expect((await inspect(id)).state).toBe("created");
    await fleet.driver.start(id);
    expect(differences(await inspect(id), fleet.spec())).toEqual([]);
    await fleet.driver.stop(id);
    const stopped = await inspect(id);
    expect(differences(stopped, fleet.spec())).toEqual([]);
    expect(stopped).toMatchObject({ state: "stopped", exit_code: 143 });
  });

  it.each([
    ["a memory limit", ["update", "--memory", "48m", "--memory-swap", "48m"], "docker.memory"],
    ["a CPU limit", ["update", "--cpus", "0.5"], "docker.cpus"],
    ["a CPU quota", ["update", "--cpu-quota", "50000"], "docker.cpus"],
    ["a pids limit", ["update", "--pids-limit", "17"], "docker.pids"],
    ["a restart policy", ["update", "--restart", "always"], "docker.restart"],
    ["CPU shares", ["update", "--cpu-shares", "100"], "docker.engine_limits"],
  ])("sees %s that someone changed", async (_, command, path) => {
    const id = await fleet.up();
    await fleet.docker(...command, id);
    expect(differences(await inspect(id), fleet.spec())).toContain(path);
  });

  it("sees a network that someone detached, and one that someone attached", async () => {
    const recipe = { docker: { network: "bridge" } };
    const id = await fleet.up(recipe);
    const extra = `${fleet.fleet}-net`;
    await fleet.docker("network", "create", extra);
    try {
      await fleet.docker("network", "connect", extra, id);
      expect((await inspect(id)).fields["docker.network"]).toBe(`bridge,${extra}`);
      await fleet.docker("network", "disconnect", extra, id);
      await fleet.docker("network", "disconnect", "bridge", id);
      expect((await inspect(id)).fields["docker.network"]).toBeNull();
    } finally {
      await fleet.docker("network", "rm", extra);
    }
  });

  it("sees a quota behind an unchanged NanoCpus, which inspect alone would hide", async () => {
    const recipe = { docker: { cpus: 0.5 } };
    const id = await fleet.up(recipe);
    await fleet.docker("update", "--cpu-quota", "-1", id);
    const runtime = await inspect(id);
    const row = dockerDriver.fields.find(({ path }) => path === "docker.cpus");
    expect(runtime.fields["docker.cpus"]).toBe("unlimited (quota -1)");
    expect(row?.classify(runtime.fields["docker.cpus"], 0.5)).toBe("recreate");
  });

  it("updates every live field in place, and inspect then agrees", async () => {
    const before = { docker: { memory: 32 * 1024 * 1024, cpus: 0.5, pids: 20 } };
    const after = {
      docker: { memory: 128 * 1024 * 1024, cpus: 1, pids: "unlimited", restart: "on-failure" },
    } as const;
    const request = await fleet.request(after);
    const id = await fleet.up(before);
    const paths = differences(await inspect(id), request.spec);
    expect(paths.toSorted()).toEqual([
      "docker.cpus",
      "docker.memory",
      "docker.memory_swap",
      "docker.pids",
      "docker.restart",
    ]);
    await fleet.driver.update({ objectId: id, spec: request.spec, paths, labels: request.labels });
    expect(differences(await inspect(id), request.spec)).toEqual([]);
  });

  it("finds a renamed runtime by its labels, and names the holder of its name as foreign", async () => {
    const id = await fleet.up();
    await fleet.docker("rename", id, `${fleet.name()}-hidden`);
    const image = services().docker.images.busybox;
    const stranger = await fleet.docker(
      "create",
      "--label",
      `test=${fleet.fleet}`,
      "--name",
      `${fleet.name()}.new`,
      image,
    );
    try {
      const seen = await fleet.driver.observe(fleet.scope());
      expect(seen).toMatchObject({
        status: "complete",
        runtimes: [{ object_id: id, name: `${fleet.name()}-hidden` }],
        foreign: [{ object_id: stranger, name: `${fleet.name()}.new` }],
      });
    } finally {
      await fleet.docker("rm", "-f", stranger);
    }
  });

  it("reports another fleet of the same name as foreign", async () => {
    const id = await fleet.create();
    const seen = await fleet.driver.observe(fleet.scope({ fleet_id: "id2" }));
    expect(seen).toMatchObject({ runtimes: [], foreign: [{ object_id: id }] });
  });

  it("is idempotent where something already is so", async () => {
    const id = await fleet.up();
    await fleet.driver.start(id);
    await fleet.driver.rename(id, `${fleet.name()}.old`);
    await fleet.driver.rename(id, `${fleet.name()}.old`);
    await fleet.driver.stop(id);
    await fleet.driver.stop(id);
    await fleet.driver.remove(id, "keep");
    await fleet.driver.remove(id, "keep");
    expect(await fleet.driver.inspect(id)).toBeUndefined();
    expect(await fleet.driver.health(id)).toMatchObject({ state: "missing" });
  });

  it("makes a name a mutex, also between twenty creators", async () => {
    const request = await fleet.request();
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => fleet.driver.create(request)));
    const refused = results
      .filter((result) => result.status === "rejected")
      .map(({ reason }) => reason as unknown);
    expect(refused).toHaveLength(19);
    for (const reason of refused) expect(reason).toMatchObject({ kind: "conflict" });
  });

  it("explains more CPUs than there are", async () => {
    await expect(fleet.create({ docker: { cpus: 4000 } })).rejects.toMatchObject({
      code: "DOCKER_CPUS",
      kind: "terminal",
    });
  });

  it("keeps secrets out of the container, and hands them to the command", async () => {
    const id = await fleet.up();
    const ran = await fleet.run(id, 'printf %s "$TOKEN"', { env: { TOKEN: "hush-hush" } });
    expect(ran).toEqual({ exitCode: 0, stdout: "hush-hush", stderr: "" });
    expect(await fleet.docker("inspect", id)).not.toContain("hush-hush");
  });

  it("tells streams apart and codes exactly", async () => {
    const id = await fleet.up();
    expect(await fleet.run(id, "echo out; echo err >&2; exit 7")).toEqual({
      exitCode: 7,
      stdout: "out\n",
      stderr: "err\n",
    });
    expect((await fleet.run(id, "kill -9 $$")).exitCode).toBe(137);
    expect((await fleet.run(id, "exec /no/such/thing")).exitCode).toBe(127);
    expect((await fleet.run(id, "pwd")).stdout).toBe("/workspace\n");
    expect((await fleet.run(id, "pwd", { cwd: "/tmp" })).stdout).toBe("/tmp\n");
  });

  it("waits for a command that closed its output", async () => {
    const id = await fleet.up();
    expect((await fleet.run(id, "exec >&- 2>&-; sleep 1; exit 3")).exitCode).toBe(3);
  });

  it("feeds input to its end, and copes with a command that reads none", async () => {
    const id = await fleet.up();
    const big = "x".repeat(300_000);
    const counted = await fleet.run(id, "wc -c", { stdin: Readable.from([big]) });
    expect(counted.stdout.trim()).toBe("300000");
    expect((await fleet.run(id, "exit 4", { stdin: Readable.from([big, big]) })).exitCode).toBe(4);
  });

  it("loses nothing of a large output to a slow reader", async () => {
    const id = await fleet.up();
    let size = 0;
    let most = 0;
    const slow = new Writable({
      highWaterMark: 1024,
      write(chunk: Buffer, _encoding, done) {
        size += chunk.length;
        most = Math.max(most, slow.writableLength);
        setTimeout(done, 1);
      },
    });
    await fleet.run(id, "head -c 2000000 /dev/zero", { stdout: slow });
    expect(size).toBe(2_000_000);
    expect(most).toBeLessThan(200_000);
  });

  it("signals the command and its children", async () => {
    const id = await fleet.up();
    const stdout = new Text();
    const handle = await fleet.driver.exec({
      objectId: id,
      argv: ["sh", "-c", "trap 'echo caught; exit 9' TERM; sleep 1000 & echo up; wait"],
      env: {},
      stdout,
      stderr: new Text(),
    });
    await expect.poll(() => stdout.text).toBe("up\n");
    expect((await inspect(id)).execs).toBe(1);
    await handle.signal("SIGTERM");
    expect(await handle.result).toEqual({ exitCode: 9 });
    expect(stdout.text).toBe("up\ncaught\n");
    expect((await fleet.run(id, "ps | grep -c '[s]leep 1000'")).stdout.trim()).toBe("0");
    expect((await inspect(id)).execs).toBe(0);
  });

  it("kills a command that does not listen", async () => {
    const id = await fleet.up({ docker: { user: "1000:1000" } });
    const stdout = new Text();
    const handle = await fleet.driver.exec({
      objectId: id,
      argv: ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"],
      env: {},
      stdout,
      stderr: new Text(),
    });
    await expect.poll(() => stdout.text).toBe("up\n");
    await handle.signal("SIGKILL");
    expect(await handle.result).toEqual({ exitCode: 137 });
  });

  it("does not take a lost container for a finished command", async () => {
    const id = await fleet.up();
    const handle = await fleet.driver.exec({
      objectId: id,
      argv: ["sleep", "1000"],
      env: {},
      stdout: new Text(),
      stderr: new Text(),
    });
    const outcome = handle.result.then(
      ({ exitCode }) => exitCode,
      () => "unknown",
    );
    await sleep(200);
    await fleet.docker("rm", "-f", id);
    expect([137, "unknown"]).toContain(await outcome);
  });

  it("gives a terminal of the right size", async () => {
    const id = await fleet.up();
    const { stdout } = await fleet.run(id, "sleep 0.3; stty size", { tty: { columns: 91, rows: 33 } });
    expect(stdout).toContain("33 91");
  });

  it("gives every user a writable workspace of its own, and keeps the rest read-only", async () => {
    for (const user of ["0", "1000:1000"]) {
      const id = await fleet.up({ docker: { user } });
      expect(await fleet.run(id, "echo 1 > /workspace/a && cat /workspace/a && touch /tmp/b")).toMatchObject({
        exitCode: 0,
        stdout: "1\n",
      });
      expect((await fleet.run(id, "touch /etc/x")).exitCode).not.toBe(0);
      await fleet.driver.remove(id, "keep");
    }
    expect(await fleet.docker("volume", "ls", "-q", "--filter", `label=sandkeep.fleet=${fleet.fleet}`)).toBe(
      "",
    );
  });

  it("runs as the workspace's owner, and never shows the state directory", async () => {
    await chown(fleet.workspace, 4321, 4321);
    await writeFile(join(fleet.deps.stateDir, "journal"), "private");
    const id = await fleet.up({ access: "rw" });
    expect(differences(await inspect(id), fleet.spec({ access: "rw" }))).toEqual([]);
    const ran = await fleet.run(id, "id -u; ls -A /workspace/state; echo hi > /workspace/made");
    expect(ran).toMatchObject({ exitCode: 0, stdout: "4321\n" });
    expect(await readFile(join(fleet.workspace, "made"), "utf8")).toBe("hi\n");
  });

  it("mounts a read-only workspace read-only", async () => {
    const id = await fleet.up({ access: "ro" });
    expect((await fleet.run(id, "touch /workspace/x")).exitCode).not.toBe(0);
    expect(differences(await inspect(id), fleet.spec({ access: "ro" }))).toEqual([]);
  });

  it.each(["rw", "ro"] as const)(
    "seeds a %s volume once, keeps it, and deletes it only when told",
    async (access) => {
      const recipe = { access, provider: "volume", docker: { user: "1000:1000" } } as const;
      const first = await fleet.driver.create(await fleet.request(recipe));
      expect(first.needsSeed).toBe(true);
      await fleet.driver.putFiles(first.objectId, "/workspace", Readable.from(tar("seed.txt", "grown")));
      await fleet.driver.start(first.objectId);
      expect((await fleet.run(first.objectId, "cat /workspace/seed.txt")).stdout).toBe("grown");
      expect(differences(await inspect(first.objectId), fleet.spec(recipe))).toEqual([]);
      await fleet.driver.stop(first.objectId);
      await fleet.driver.remove(first.objectId, "keep");
      const second = await fleet.driver.create(await fleet.request(recipe));
      expect(second.needsSeed).toBe(false);
      await fleet.driver.remove(second.objectId, "delete");
      const third = await fleet.driver.create(await fleet.request(recipe));
      expect(third.needsSeed).toBe(true);
      // Never started, so never known to be filled: the next one must start over.
      await fleet.driver.remove(third.objectId, "keep");
      expect((await fleet.driver.create(await fleet.request(recipe))).needsSeed).toBe(true);
    },
  );

  it("puts and gets files on a tmpfs as well as on disk", async () => {
    const id = await fleet.up();
    for (const folder of ["/tmp", "/workspace"]) {
      await fleet.driver.putFiles(id, folder, Readable.from(tar("note", `in ${folder}`)));
      expect((await fleet.run(id, `cat ${folder}/note`)).stdout).toBe(`in ${folder}`);
      const chunks: Buffer[] = [];
      for await (const chunk of await fleet.driver.getFiles(id, `${folder}/note`))
        chunks.push(Buffer.from(chunk as Buffer));
      expect(Buffer.concat(chunks).toString()).toContain(`in ${folder}`);
    }
    await expect(fleet.driver.putFiles(id, "/etc", Readable.from(tar("x", "y")))).rejects.toMatchObject({
      code: "DOCKER_READ_ONLY",
    });
  });

  it("marks an address as dormant and clears the mark", async () => {
    await fleet.driver.mark(fleet.scope(), "agent/work", { since: 1000, reason: "idle for 24h" });
    await fleet.driver.mark(fleet.scope(), "agent/work", { since: 2000, reason: "idle for 48h" });
    expect(await fleet.driver.observe(fleet.scope())).toMatchObject({
      dormant: [{ address: "agent/work", since: 2000, reason: "idle for 48h" }],
    });
    expect(await fleet.driver.observe(fleet.scope({ fleet_id: "id2" }))).toMatchObject({ dormant: [] });
    await fleet.driver.mark(fleet.scope(), "agent/work", undefined);
    await fleet.driver.mark(fleet.scope(), "agent/work", undefined);
    expect(await fleet.driver.observe(fleet.scope())).toMatchObject({ dormant: [] });
  });

  it("tells how a runtime is doing, and its last words", async () => {
    const id = await fleet.up();
    await sleep(300);
    const well = await fleet.driver.health(id);
    expect(well).toMatchObject({ state: "running", health: "none", main: "keeper", settled: true });
    expect(well.running_ms).toBeGreaterThan(150);
    expect(well.running_ms).toBeLessThan(20_000);
    const dying = await fleet.up({
      address: "agent/dying",
      docker: { command: ["sh", "-c", "echo last words; exit 3"] },
    });
    await expect
      .poll(() => fleet.driver.health(dying))
      .toMatchObject({ state: "exited", exit_code: 3, detail: "last words" });
  });

  it("leaves a created container behind when the start fails, and says why", async () => {
    const id = await fleet.create({ docker: { command: ["/no/such/program"], init: false } });
    await expect(fleet.driver.start(id)).rejects.toMatchObject({
      code: "DOCKER_START_FAILED",
      kind: "terminal",
    });
    expect((await inspect(id)).state).toBe("created");
  });

  it("resolves images by what the engine has", async () => {
    const { busybox, busyboxNext } = services().docker.images;
    const [one, next] = await Promise.all(
      [busybox, busyboxNext].map((ref) => fleet.driver.resolveImage(ref, "missing")),
    );
    expect(one).toMatchObject({
      status: "present",
      image: { ref: busybox, kind: "config", platform: "linux/amd64" },
    });
    expect(next).not.toEqual(one);
    expect(await fleet.driver.resolveImage("sandkeep-test/none:1", "never")).toEqual({ status: "absent" });
    const fetched = await fleet.driver.fetch(busybox, "missing", () => undefined);
    expect(one).toMatchObject({ image: fetched.image });
    expect(fetched.pulled).toBe(false);
    await expect(fleet.driver.fetch("sandkeep-test/none:1", "never", () => undefined)).rejects.toMatchObject({
      code: "DOCKER_IMAGE_NOT_FOUND",
    });
  });

  it("hears of changes to the fleet, and of nothing else", async () => {
    const stop = new AbortController();
    const heard: DriverEvent[] = [];
    const stream = await fleet.driver.events(fleet.scope(), stop.signal);
    const listening = (async () => {
      for await (const event of stream) heard.push(event);
    })();
    const id = await fleet.up();
    await fleet.run(id, "true");
    const quiet = heard.length;
    await fleet.docker("kill", id);
    await expect.poll(() => heard.length).toBeGreaterThan(quiet);
    stop.abort();
    await listening;
    expect(heard.at(-1)).toEqual({ kind: "gap" });
    expect(
      heard.slice(0, -1).every((event) => event.kind === "changed" && event.address === "agent/work"),
    ).toBe(true);
  });

  it("is ready, and its reader cannot change anything", async () => {
    expect(await fleet.driver.probe()).toEqual({ status: "ready" });
    const reader = await dockerDriver.openReader(undefined, fleet.deps);
    expect(Object.keys(reader).toSorted().join(" ")).toBe(
      "changes events health held images inspect inventory lacks observe probe resolveImage",
    );
    await reader[Symbol.asyncDispose]();
  });
});

/** Field-table paths in which a runtime is seen to differ from a spec. */
function differences(runtime: ObservedRuntime, spec: Spec): string[] {
  return dockerDriver.fields
    .map(({ path }) => path)
    .filter((path) => {
      const seen = runtime.fields[path];
      if (seen === undefined) return false;
      return JSON.stringify(canonical(seen)) !== JSON.stringify(canonical(at(spec.values, path)));
    });
}

function at(values: Spec["values"], path: string): Json | undefined {
  return path
    .split(".")
    .reduce<Json | undefined>((value, key) => (value as Record<string, Json> | undefined)?.[key], values);
}

/** Key order, and the ways to say "nothing", do not matter. */
function canonical(value: Json | undefined): Json {
  if (value === undefined || value === null) return null;
  if (typeof value !== "object") return value;
  if (Array.isArray(value)) return value.length === 0 ? null : value.map((each: Json) => canonical(each));
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? null : entries.map(([key, each]) => [key, canonical(each)]);
}

/** A tar archive of one file. */
function tar(name: string, text: string): Buffer[] {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000644\0", 100);
  header.write("0001750\0", 108);
  header.write("0001750\0", 116);
  header.write(`${Buffer.byteLength(text).toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(Buffer.byteLength(text) / 512) * 512);
  body.write(text);
  return [header, body, Buffer.alloc(1024)];
}
