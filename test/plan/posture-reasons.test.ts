// Reasons of the closed set, each reached from a state that a machine, a config or an engine's own words can be in; and who
// is dialled for it, counted by a listener.
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer as createHttp } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { builtInDrivers } from "../../src/drivers/registry.ts";
import type { EnginePosture, Posture } from "../../src/model/posture.ts";
import { fleetPosture } from "../../src/plan/posture.ts";
import { findProgram } from "../../src/util/program.ts";
import { realWait } from "../../src/util/wait.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-reasons-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function told(config: string, env: Readonly<Record<string, string>>, probe: boolean): Promise<Posture> {
  const project = join(folder, "project");
  await mkdir(project, { recursive: true });
  await writeFile(join(project, "sandkeep.toml"), `version = 1\nfleet = "team"\n${config}`);
  const outcome = await fleetPosture(
    {
      drivers: builtInDrivers,
      stateDir: join(folder, "state"),
      cwd: project,
      env: { HOME: join(folder, "home"), PATH: process.env["PATH"] ?? "", ...env },
      now: Date.now,
      wait: realWait,
      randomId: () => "0123456789abcdef",
      sink: { notify: () => undefined },
      toolVersion: "0.0.0",
    },
    { probe },
  );
  if (outcome.status === "invalid") throw new Error(JSON.stringify(outcome.diagnostics));
  for (const { reasons } of outcome.posture.engines) {
    for (const { code, fix } of reasons) expect(fix, code).not.toBe("");
  }
  return outcome.posture;
}

const codes = ([engine]: readonly EnginePosture[]): string[] =>
  (engine?.reasons ?? []).map((each) => each.code);

describe("an engine that says of itself what it cannot do", () => {
  const ABLE = {
    OSType: "linux",
    CgroupVersion: "2",
    SecurityOptions: ["name=seccomp,profile=default"],
    MemoryLimit: true,
    SwapLimit: true,
    CpuCfsQuota: true,
    PidsLimit: true,
  };

  async function saying(info: object, keys = ""): Promise<Posture> {
    const socket = join(folder, "engine.sock");
    const server = createHttp((request, answer) => {
      const path = request.url?.replace(/^\/v[\d.]+/, "") ?? "";
      answer.setHeader("content-type", "application/json");
      answer.end(path.startsWith("/info") ? JSON.stringify(info) : JSON.stringify({ ApiVersion: "1.41" }));
    });
    server.listen(socket);
    await once(server, "listening");
    try {
      const config = `[sandbox]\nbackend = "docker"\n[sandbox.docker]\nimage = "debian:12"\n${keys}\n[agents.main]\n`;
      return await told(config, { DOCKER_HOST: `unix://${socket}` }, true);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    }
  }

  test.each([
    [{}, []],
    [{ MemoryLimit: false }, ["memory-limit-unsupported"]],
    [{ CpuCfsQuota: false }, ["cpu-limit-unsupported"]],
    [{ PidsLimit: false }, ["pids-limit-unsupported"]],
    [{ SwapLimit: false }, ["swap-limit-unsupported"]],
    [{ SecurityOptions: [] }, ["seccomp-off"]],
    [{ SecurityOptions: [...ABLE.SecurityOptions, "name=selinux"] }, ["selinux-labels"]],
  ])("%j", async (info, expected) => {
    const { engines } = await saying({ ...ABLE, ...info });
    expect([codes(engines), engines[0]?.status]).toEqual([
      expected,
      expected.length === 0 ? "ready" : "degraded",
    ]);
  });

  test.each([
    ["name=seccomp", 'apparmor = "mine"', ["apparmor-off"], "unavailable"],
    [
      "name=seccomp",
      'apparmor = "unconfined"\nbreak_glass = { apparmor_unconfined = "a test" }',
      [],
      "ready",
    ],
    ["name=seccomp", "", [], "ready"],
    ["name=apparmor", 'apparmor = "mine"', [], "ready"],
  ])("with %s, asked for %j: %j", async (option, keys, expected, status) => {
    const SecurityOptions = [...ABLE.SecurityOptions, option];
    const { engines } = await saying({ ...ABLE, SecurityOptions }, keys);
    expect([codes(engines), engines[0]?.status]).toEqual([expected, status]);
    if (expected.length > 0)
      expect(engines[0]?.reasons[0]?.message).toContain('docker.apparmor asks for the profile "mine"');
  });

  test("rootless on cgroup v1 it ignores every limit, and of another system it is no engine of ours", async () => {
    const rootless = {
      ...ABLE,
      CgroupVersion: "1",
      SecurityOptions: [...ABLE.SecurityOptions, "name=rootless"],
    };
    expect(codes((await saying(rootless)).engines)).toContain("rootless-limits-ignored");
    const windows = await saying({ ...ABLE, OSType: "windows" });
    expect([windows.status, codes(windows.engines)]).toEqual(["unavailable", ["not-linux"]]);
  });
});

const buildkit = (endpoint: string, more = ""): string =>
  `[sandbox]\nbackend = "buildkit"\n[sandbox.buildkit]\nendpoint = "${endpoint}"\nimage = "debian:12"\n${more}[agents.main]\n`;

describe("a build worker", () => {
  test("without a client, with one that is too old, and with one that is not where it is said to be", async () => {
    const socket = `unix://${folder}/none.sock`;
    const bare = { PATH: folder, DOCKER_CONFIG: folder };
    const named = await told(buildkit(socket, 'buildctl_path = "/none/buildctl"\n'), bare, false);
    expect(codes(named.engines)).toEqual(["client-missing", "socket-missing"]);
    // A stub of a client: all that is asked of it is its version.
    const stub = '#!/bin/sh\necho "github.com/docker/buildx v0.9.1 stub"\n';
    await writeFile(join(folder, "docker-buildx"), stub, { mode: 0o755 });
    expect(codes((await told(buildkit(socket), bare, false)).engines)).toEqual(["socket-missing"]);
    const asked = await told(buildkit(socket), bare, true);
    expect(codes(asked.engines)).toContain("client-too-old");
  });
});

describe("this machine", () => {
  test("without `script` commands have no terminal", async () => {
    const programs = join(folder, "bin");
    await mkdir(programs);
    const bwrap = await findProgram("bwrap", { PATH: process.env["PATH"] });
    if (bwrap !== undefined) await symlink(bwrap, join(programs, "bwrap"));
    expect(codes((await told("[agents.main]\n", { PATH: programs }, false)).engines)).toContain(
      "script-missing",
    );
  });
});

describe("nobody is dialled unless asking is asked for", () => {
  const ssh = (port: number): string =>
    `[hosts.h]\nssh = { target = "ci@127.0.0.1:${port}", strict_host_key = false }\n`;
  const docker = '[sandbox.docker]\nimage = "debian:12"\n[agents.main]\n';

  test("a host whose key may be anybody's is told", async () => {
    const config = `[sandbox]\nbackend = "ssh"\nhost = "h"\n[agents.main]\n${ssh(22)}`;
    expect(codes((await told(config, {}, false)).engines)).toContain("ssh-host-key-not-strict");
  });

  test.each<readonly [what: string, config: (port: number) => string]>([
    ["buildkit over TCP", (port) => buildkit(`tcp://127.0.0.1:${port}`)],
    ["buildkit in an engine", (port) => buildkit(`docker://127.0.0.1:${port}`)],
    ["buildkit behind ssh", (port) => `${buildkit("ssh://h")}${ssh(port)}`],
    ["ssh", (port) => `[sandbox]\nbackend = "ssh"\nhost = "h"\n[agents.main]\n${ssh(port)}`],
    [
      "docker on a host over TCP",
      (port) =>
        `[sandbox]\nbackend = "docker"\nhost = "h"\n${docker}[hosts.h]\ndocker = "tcp://127.0.0.1:${port}"\n`,
    ],
    [
      "docker on a host behind ssh",
      (port) => `[sandbox]\nbackend = "docker"\nhost = "h"\n${docker}${ssh(port)}docker = "unix:///d.sock"\n`,
    ],
  ])("%s", async (_what, config) => {
    let dialled = 0;
    const server = createServer((connection) => {
      dialled += 1;
      connection.destroy();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const { port } = address;
    try {
      const seen = await told(config(port), {}, false);
      expect([seen.engines.map((each) => each.probed), dialled]).toEqual([[false], 0]);
      const asked = await told(config(port), {}, true);
      expect([asked.status, asked.engines.map((each) => each.probed)]).toEqual(["unavailable", [true]]);
      expect(codes(asked.engines)).toContain("unreachable");
      expect(dialled, "the listener counts").toBeGreaterThan(0);
    } finally {
      await new Promise((resolve) => void server.close(resolve));
    }
  });
});
