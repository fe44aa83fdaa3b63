// Whether backends could take work, told of real files and sockets, and of what is dialled for it.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { builtInDrivers } from "../../src/drivers/registry.ts";
import type { EnginePosture, Posture } from "../../src/model/posture.ts";
import { explainFleet } from "../../src/plan/explain.ts";
import type { PostureRequest } from "../../src/plan/posture.ts";
import { fleetPosture } from "../../src/plan/posture.ts";
import type { Engine } from "../../src/reconcile.ts";
import { fleetState } from "../../src/state/directory.ts";
import { recordEvents } from "../../src/state/events.ts";
import { realWait } from "../../src/util/wait.ts";

let folder: string;
let server: Server | undefined;
let dialled: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-posture-"));
  dialled = 0;
});
afterEach(async () => {
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

/** A socket behind which nobody answers, that counts who knocks. */
async function listen(): Promise<string> {
  // Beside the config's folder: no workspace may hold an engine's socket.
  const socket = `${folder}.sock`;
  const made = createServer((connection) => {
    dialled += 1;
    connection.destroy();
  });
  await new Promise<void>((resolve) => made.listen(socket, resolve));
  server = made;
  return socket;
}

function engine(env: Readonly<Record<string, string>> = {}): Engine {
  return {
    drivers: builtInDrivers,
    stateDir: join(folder, "state"),
    cwd: folder,
    env: { HOME: "/home/nobody", PATH: process.env["PATH"] ?? "", ...env },
    now: Date.now,
    wait: realWait,
    randomId: () => "0123456789abcdef",
    sink: { notify: () => undefined },
    toolVersion: "0.0.0",
  };
}

async function told(
  config: string,
  env: Readonly<Record<string, string>> = {},
  request: PostureRequest = {},
): Promise<Posture> {
  await writeFile(join(folder, "sandkeep.toml"), `version = 1\nfleet = "team"\n${config}`);
  const outcome = await fleetPosture(engine(env), request);
  if (outcome.status === "invalid") throw new Error(JSON.stringify(outcome.diagnostics));
  return outcome.posture;
}

const codes = (posture: EnginePosture | undefined): string[] =>
  (posture?.reasons ?? []).map((each) => each.code);
const IMAGE = '[sandbox.docker]\nimage = "debian:12"\n';
const DOCKER = `[sandbox]\nbackend = "docker"\n${IMAGE}[agents.main]\n`;

describe("without asking", () => {
  test("an engine whose socket is there is ready, and nobody knocks, in explain neither", async () => {
    const env = { DOCKER_HOST: `unix://${await listen()}` };
    const posture = await told(DOCKER, env);
    expect(posture).toMatchObject({ status: "ready", engines: [{ backend: "docker", probed: false }] });
    expect(dialled).toBe(0);
  });

  test("a socket that is not there, with how to mend it", async () => {
    const posture = await told(DOCKER, { DOCKER_HOST: `unix://${folder}/none.sock` });
    expect(posture.status).toBe("unavailable");
    expect(posture.engines[0]?.reasons).toEqual([
      {
        code: "socket-missing",
        message: `there is no ${folder}/none.sock: no docker engine listens there`,
        fix: "start the engine, or say where it is in a [hosts.<name>] table",
      },
    ]);
  });

  test("an endpoint that is none, and certificates that are not there", async () => {
    expect(codes((await told(DOCKER, { DOCKER_HOST: "gopher://x" })).engines[0])).toEqual([
      "endpoint-invalid",
    ]);
    const tls = `[hosts.b]\ndocker = "tcp://b.example:2376"\n[hosts.b.tls]\nca = "none.pem"\ncert = "none.pem"\nkey = "none.pem"\n`;
    const host = `[sandbox]\nbackend = "docker"\nhost = "b"\n${IMAGE}[agents.main]\n${tls}`;
    expect(codes((await told(host)).engines[0])).toEqual(["endpoint-invalid"]);
  });

  test("a way that anyone can listen on is told", async () => {
    const config = `[sandbox]\nbackend = "docker"\nhost = "b"\n${IMAGE}[agents.main]\n[hosts.b]\ndocker = "tcp://b.example:2375"\n`;
    const posture = await told(config);
    expect(posture).toMatchObject({ status: "degraded", engines: [{ host: "b", status: "degraded" }] });
    expect(codes(posture.engines[0])).toEqual(["transport-unencrypted"]);
  });

  test("an engine behind ssh: what is assumed of the way is told, and by which client it goes", async () => {
    const head = `[sandbox]\nbackend = "docker"\nhost = "b"\n${IMAGE}[agents.main]\n[hosts.b]\n`;
    const alone = (await told(`${head}docker = "ssh://ci@b.example"\n`)).engines[0];
    expect(codes(alone)).toEqual(["ssh-default-identity", "ssh-default-known-hosts"]);
    expect(alone).toMatchObject({ status: "degraded", transport: "ssh2" });
    await writeFile(join(folder, "key"), "");
    const ssh = `ssh = { target = "ci@b.example", identity_file = "key", known_hosts = "b.example ssh-ed25519 AAAA"`;
    const given = `${head}docker = "unix:///d.sock"\n${ssh}`;
    expect((await told(`${given} }\n`)).engines[0]).toMatchObject({ status: "ready", transport: "ssh2" });
    const system = `${given}, transport = "openssh" }\n`;
    expect((await told(system)).engines[0]).toMatchObject({ status: "degraded", transport: "openssh" });
    const without = await told(system, { PATH: folder });
    expect(without).toMatchObject({ status: "unavailable" });
    expect(codes(without.engines[0])).toEqual(["ssh-missing"]);
  });

  test("isolation that all want and none can have is unavailable; nothing falls back", async () => {
    const one = (isolation: string): string =>
      `[agents.${isolation}.sandbox.local]\nisolation = "${isolation}"\n`;
    const all = await told(one("bubblewrap"), { PATH: folder });
    expect(all.status).toBe("unavailable");
    expect(codes(all.engines[0])).toContain("bubblewrap-missing");
    const some = await told(one("bubblewrap") + one("none"), { PATH: folder });
    expect(some.status).toBe("degraded");
  });

  test("each engine once, with its agents; who has no sandbox is named", async () => {
    const socket = await listen();
    const posture = await told(
      `[sandbox.docker]\nimage = "debian:12"\n[agents.a]\n[agents.b.sandbox]\nbackend = "docker"\n[agents.c.sandbox]\nmode = "off"\n[agents.d]\n`,
      { DOCKER_HOST: `unix://${socket}` },
    );
    expect(posture.engines.map((each) => [each.backend, each.agents.map(({ agent }) => agent)])).toEqual([
      ["docker", ["b"]],
      ["local", ["a", "d"]],
    ]);
    expect(posture.engines[0]?.agents[0]).toEqual({ agent: "b", writes: "direct", background: true });
    expect(posture.unsandboxed).toEqual(["c"]);
    expect(dialled).toBe(0);
  });
});

describe("hosts that no agent uses", () => {
  const HOSTS = `[hosts.a]
docker = "tcp://a.example:2375"
ssh = { target = "ci@a.example", known_hosts = "a.example ssh-ed25519 AAAA", identity_file = "none" }
[hosts.b]
labels = { rack = "7" }
`;
  const shown = (posture: Posture) =>
    posture.unused_hosts.map((each) => [each.host, each.backend, each.status, each.probed]);

  test("are told of by every way to them, and leave the fleet as ready as its agents are", async () => {
    const posture = await told(`${HOSTS}[hosts.c]\npodman = "unix://${await listen()}"\n[agents.a]\n`);
    expect(shown(posture)).toEqual([
      ["a", "docker", "degraded", false],
      ["a", "ssh", "unavailable", false],
      ["b", null, "unavailable", false],
      ["c", "podman", "ready", false],
    ]);
    expect(posture.unused_hosts.map((each) => each.reasons.map(({ code }) => code))).toEqual([
      ["transport-unencrypted"],
      ["ssh-file-unreadable"],
      ["endpoint-invalid"],
      [],
    ]);
    expect(posture.status).not.toBe("unavailable");
    expect(dialled).toBe(0);
  });

  test("are asked too when asking is asked for, and are no news once an agent uses them", async () => {
    const config = `[hosts.c]\ndocker = "unix://${await listen()}"\n`;
    expect(shown(await told(`${config}[agents.a]\n`, {}, { probe: true }))).toEqual([
      ["c", "docker", "unavailable", true],
    ]);
    expect(dialled).toBeGreaterThan(0);
    const user = `${IMAGE}[agents.a.sandbox]\nbackend = "docker"\nhost = "c"\n`;
    expect((await told(config + user)).unused_hosts).toEqual([]);
    const off = `[agents.a.sandbox]\nmode = "off"\nhost = "c"\n`;
    expect(shown(await told(config + off))).toEqual([["c", "docker", "ready", false]]);
  });
});

test("asked, an engine that does not answer is unavailable; what both say is said once", async () => {
  const env = { DOCKER_HOST: `unix://${await listen()}` };
  const posture = await told(DOCKER, env, { probe: true });
  expect(dialled).toBeGreaterThan(0);
  expect(posture).toMatchObject({ status: "unavailable", engines: [{ probed: true }] });
  expect(codes(posture.engines[0])).toEqual(["unreachable"]);
});

test("explain tells the same of the backends of those that it explains, without asking", async () => {
  const config = `[agents.a]\n[agents.b.sandbox]\nbackend = "docker"\n[agents.b.sandbox.docker]\nimage = "debian:12"\n`;
  const env = { DOCKER_HOST: `unix://${folder}-none.sock` };
  const posture = await told(config, env);
  const explained = await explainFleet(engine(env), { agent: "b" });
  if (explained.status === "invalid") throw new Error("invalid");
  expect(explained.explanation.posture).toEqual(posture.engines.filter((each) => each.backend === "docker"));
});

test("what happened lately is counted by action and outcome, and nothing older", async () => {
  const posture = await told("[agents.a]\n");
  expect(posture.recent).toEqual({ counts: [], events: [] });
  const state = fleetState(join(folder, "state"), "team");
  const change = { type: "change.ended", workspace: "agent/a", action: "create", duration_ms: 5 } as const;
  const day = 24 * 3_600_000;
  await recordEvents(state, [{ ...change, status: "failed" }], Date.now() - 2 * day);
  const done = { ...change, status: "done" } as const;
  await recordEvents(state, [done, done, { type: "watch.started", resync_ms: 1000 }], Date.now());
  const { recent } = await told("[agents.a]\n");
  expect(recent.counts).toEqual([{ action: "create", outcome: "done", count: 2 }]);
  expect(recent.events.map((each) => each.type)).toEqual(["change.ended", "change.ended", "watch.started"]);
  expect(JSON.stringify(recent)).not.toContain("agent/a");
});
