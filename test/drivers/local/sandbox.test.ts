import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { localDriver } from "../../../src/drivers/local/index.ts";
import type { Bench } from "./fixture.ts";
import { bench, labelsOf, make, NAME, program, run, sh, specOf, until } from "./fixture.ts";

describe("inside bubblewrap", () => {
  let on: Bench;
  let id: string;
  beforeAll(async () => {
    on = await bench();
    id = await make(on, { local: { isolation: "bubblewrap" } });
  });
  afterAll(() => on[Symbol.asyncDispose]());
  const inside = (script: string) => run(on, id, sh(script));

  test("there is no network", async () => {
    const { out } = await inside("tail -n +3 /proc/net/dev | cut -d: -f1");
    expect(out.trim()).toBe("lo");
  });

  test("other processes cannot be seen", async () => {
    const { out } = await inside("ls -d /proc/[0-9]* | wc -l");
    expect(Number(out)).toBeLessThan(8);
  });

  test("no capability is left and none can be gained", async () => {
    const { out } = await inside("grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs)' /proc/self/status | cut -f2");
    expect(out.split("\n").filter(Boolean)).toEqual(["0".repeat(16), "0".repeat(16), "0".repeat(16), "1"]);
  });

  test("everything but workspace, home, tmp and /dev is read-only", async () => {
    for (const path of ["/x", "/usr/x", "/etc/x", "/home/x", "/run/x", "/var/x"]) {
      expect((await inside(`touch ${path}`)).code, path).not.toBe(0);
    }
    expect((await inside('touch /tmp/x "$HOME/x" /workspace/x /var/tmp/y && pwd && echo "$HOME"')).out).toBe(
      "/workspace\n/home/sandbox\n",
    );
  });

  test("nothing of this machine is there but /usr and some of /etc", async () => {
    const { out } = await inside(
      `ls /; ls -a ${on.base} ${on.stateDir} /root /etc/shadow /etc/sudoers 2>&1 | grep -v "cannot access"; true`,
    );
    expect(out.split("\n")).not.toContain("root");
    expect(out.split("\n")).not.toContain("project");
    expect(
      out
        .split("\n")
        .filter(Boolean)
        .every((name) => /^(bin|dev|etc|home|lib\d*|libx32|proc|run|sbin|tmp|usr|var|workspace)$/.test(name)),
    ).toBe(true);
  });

  test("no descriptor of ours leaks in", async () => {
    const { out } = await inside(
      "for fd in /proc/self/fd/*; do readlink $fd; done | grep -c -e sandkeep-local -e /dev/vda; true",
    );
    expect(out.trim()).toBe("0");
    expect((await inside("echo x >&4")).code).not.toBe(0);
  });
});

test("a read-only workspace cannot be written", async () => {
  await using on = await bench();
  await writeFile(join(on.workspace, "file"), "text");
  const id = await make(on, { workspace: { access: "ro" }, local: { isolation: "bubblewrap" } });
  expect(await run(on, id, sh("cat file; touch new || echo refused"))).toMatchObject({
    out: "textrefused\n",
  });
  expect(await readdir(on.workspace)).toEqual(["file"]);
});

test("a workspace that is not given cannot be seen", async () => {
  await using on = await bench();
  await writeFile(join(on.workspace, "file"), "text");
  const id = await make(on, {
    workspace: { access: "none", provider: "own" },
    local: { isolation: "bubblewrap" },
  });
  expect((await run(on, id, sh("ls; touch mine && pwd"))).out).toBe("/workspace\n");
  expect(await readdir(on.workspace)).toEqual(["file"]);
});

test("the network is the host's when asked for", async () => {
  await using on = await bench();
  const id = await make(on, { local: { isolation: "bubblewrap", network: "host" } });
  const { out } = await run(on, id, ["readlink", "/proc/self/ns/net"]);
  expect(out.trim()).toBe(readlinkSync("/proc/self/ns/net"));
});

test("binds are there in their mode, and the state directory is hidden in all of them", async () => {
  await using on = await bench();
  await mkdir(join(on.base, "cache"));
  await writeFile(join(on.base, "cache", "file"), "text");
  const binds = [
    { source: join(on.base, "cache"), target: "/opt/cache", mode: "ro" },
    { source: on.base, target: "/opt/base", mode: "rw" },
  ];
  const id = await make(on, { workspace: { source: on.base }, local: { isolation: "bubblewrap", binds } });
  expect((await run(on, id, sh("cat /opt/cache/file; touch /opt/cache/x || echo refused"))).out).toBe(
    "textrefused\n",
  );
  const hidden = await run(
    on,
    id,
    sh("ls -A /workspace/state /opt/base/state; touch /workspace/state/x || echo refused"),
  );
  expect(hidden.out).toBe("/opt/base/state:\n\n/workspace/state:\nrefused\n");
});

test("a sandbox that cannot be set up is an error, never an exit code of the command", async () => {
  await using on = await bench();
  const binds = [{ source: join(on.base, "gone"), target: "/opt/gone", mode: "ro" }];
  const id = await make(on, { local: { isolation: "bubblewrap", binds } });
  await expect(run(on, id, ["true"])).rejects.toMatchObject({ code: "LOCAL_SANDBOX_FAILED" });
});

test("the environment of a runtime cannot steer what runs outside the sandbox", async () => {
  await using on = await bench();
  const id = await make(on, {
    local: { isolation: "bubblewrap" },
    env: { LD_PRELOAD: join(on.workspace, "evil.so") },
  });
  const ran = await run(on, id, ["true"]);
  expect(ran.code).toBe(0);
  // Each complaint is of the dynamic linker inside, which cannot see the path outside.
  expect(ran.err).toContain("cannot be preloaded");
});

test("it takes home = user, and without the program it fails closed", async () => {
  await using on = await bench();
  const home = join(on.base, "user-home");
  await mkdir(home);
  const deps = { ...on.deps, env: { ...on.deps.env, HOME: home } };
  const driver = await localDriver.open(undefined, deps);
  const spec = specOf(on, { local: { isolation: "bubblewrap", home: "user" } });
  const { objectId } = await driver.create({ name: NAME, labels: labelsOf(on, spec), spec });
  await run({ ...on, driver }, objectId, sh('touch "$HOME/seen"'));
  expect(await readdir(home)).toEqual(["seen"]);
  const bare = await localDriver.open(undefined, { ...deps, env: { PATH: on.base } });
  await expect(run({ ...on, driver: bare }, objectId, ["true"])).rejects.toMatchObject({
    code: "LOCAL_NO_BUBBLEWRAP",
  });
});

test.each([
  ["bubblewrap", "without a terminal", "undefined"],
  ["bubblewrap", "with a terminal", "{ columns: 80, rows: 24 }"],
  ["none", "with a terminal", "{ columns: 80, rows: 24 }"],
])("a killed caller leaves no process of isolation %s %s", async (isolation, _what, tty) => {
  await using on = await bench();
  const id = await make(on, { local: { isolation } });
  const marker = `${86_000 + Math.floor(Math.random() * 100_000)}.${process.pid}`;
  const path = await program(
    on,
    `const { stdout, stderr } = process;
     await driver.exec({ objectId: process.argv[2], argv: ["sleep", process.argv[3]], env: {}, tty: ${tty}, stdout, stderr });
     console.log("started");`,
  );
  const caller = spawn(process.execPath, [path, id, marker], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(caller.stdout, "data");
    await until(() => sleeping(marker));
  } finally {
    caller.kill("SIGKILL");
  }
  await until(() => !sleeping(marker));
});

/** A process whose own argv is the sleep: wrappers that only mention it do not count. */
function sleeping(marker: string): boolean {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.some((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1") === `sleep\0${marker}\0`;
    } catch {
      return false;
    }
  });
}
