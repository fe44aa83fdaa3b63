import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hostCare, hostsToTry } from "../../controllers/canary.ts";
import { builtInDrivers } from "../../src/drivers/registry.ts";
import { loadModules } from "../../src/observe/engines.ts";
import type { LoadedFleet } from "../../src/policy/fleet.ts";
import { loadFleet } from "../../src/policy/fleet.ts";
import type { Engine } from "../../src/reconcile.ts";
import { readCanaries } from "../../src/state/canaries.ts";
import { fleetState } from "../../src/state/directory.ts";
import { readHostStanding } from "../../src/state/host-standing.ts";
import { realWait } from "../../src/util/wait.ts";
import { VirtualClock } from "../loop/virtual-clock.ts";
import { agentOf } from "../support/runtimes.ts";

const HOUR = 3_600_000;

async function withFleet(
  more: string,
  work: (engine: Engine, fleet: LoadedFleet["fleet"], notes: string[]) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "sandkeep-care-"));
  const notes: string[] = [];
  let ids = 0;
  const engine: Engine = {
    drivers: builtInDrivers,
    stateDir: join(folder, "state"),
    cwd: folder,
    env: { HOME: folder, PATH: process.env["PATH"] ?? "", DOCKER_HOST: "unix:///nonexistent/docker.sock" },
    now: Date.now,
    wait: realWait,
    randomId: () => (++ids).toString(16).padStart(16, "0"),
    sink: { notify: (event) => (event.type === "note" ? notes.push(event.code) : undefined) },
    toolVersion: "0.0.0",
  };
  try {
    await writeFile(
      join(folder, "sandkeep.toml"),
      `version = 1\nfleet = "team"\nfleet_id = "k3v9q2"\n[sandbox.workspace]\naccess = "none"\n[agents.main]\n${more}`,
    );
    const { cwd, env, drivers, stateDir } = engine;
    const config = await loadFleet({ cwd, env, drivers, stateDir });
    if (config.status === "invalid") throw new Error(JSON.stringify(config.diagnostics));
    await work(engine, config.fleet, notes);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

// Real sandboxes, and looks at the machine around them.
const slow = { timeout: 120_000 };

test("hosts are tried as often as the config says, and after no signal", slow, async () => {
  await withFleet('[canary]\nevery = "1h"\n', async (engine, fleet, notes) => {
    const clock = new VirtualClock();
    const stop = new AbortController();
    const care = hostCare(engine, clock, { signal: stop.signal });
    await care.looked();
    expect(notes).toEqual([]);
    care.adopt(fleet);
    await care.looked();
    await care.looked();
    expect(notes.filter((each) => each === "CANARY_RUN")).toHaveLength(1);
    clock.advance(HOUR);
    await care.looked();
    expect(notes.filter((each) => each === "CANARY_RUN")).toHaveLength(2);
    stop.abort();
    clock.advance(HOUR);
    await care.looked();
    const canaries = await readCanaries(fleetState(engine.stateDir, "team"), { host: "local", most: 9 });
    expect(canaries.map(({ verdict }) => verdict)).toEqual(["passed", "passed"]);
  });
});

test(
  "a host with limits is looked at; one that cannot be is told, and keeps nothing else from going on",
  slow,
  async () => {
    const limits = 'disk_min_free = "7000TiB"\nback_pressure = true\n';
    const hosts = `[hosts.here]\ndocker = "unix:///nonexistent/docker.sock"\n${limits}[hosts.far]\ndocker = "tcp://127.0.0.1:1"\n${limits}`;
    await withFleet(hosts, async (engine, fleet, notes) => {
      const care = hostCare(engine, new VirtualClock(), { signal: new AbortController().signal });
      care.adopt(fleet);
      await care.looked();
      expect(notes.toSorted()).toEqual(["HOST_HEADROOM", "HOST_LOOK"]);
      const standing = await readHostStanding(fleetState(engine.stateDir, "team"));
      expect(standing).toMatchObject([{ host: "here", by: "headroom", blocks: true }]);
    });
  },
);

test("without a list those hosts are tried that the agents use", () => {
  const agents = [
    agentOf("a", { host: "b1" }),
    agentOf("b", { host: "b1" }),
    agentOf("c"),
    agentOf("d", { mode: "off" }),
  ];
  expect(hostsToTry({ agents, canary: { every: HOUR } }, {})).toEqual(["b1", "local"]);
  expect(hostsToTry({ agents, canary: { every: HOUR, hosts: ["x"] } }, {})).toEqual(["x"]);
});

test("a worker that keeps no sandboxes is no host to try", async () => {
  const modules = await loadModules(builtInDrivers, ["buildkit", "local"]);
  const agents = [agentOf("a", { backend: "buildkit", host: "worker" }), agentOf("b", { backend: "local" })];
  expect(hostsToTry({ agents, canary: { every: HOUR } }, modules)).toEqual(["local"]);
});

test("a canary that cannot be made is told, and says nothing against the host", slow, async () => {
  const far = '[hosts.b]\nssh = { target = "nobody@127.0.0.1:1" }\n';
  await withFleet(`${far}[canary]\nevery = "1h"\nhosts = ["b"]\n`, async (engine, fleet, notes) => {
    const care = hostCare(engine, new VirtualClock(), { signal: new AbortController().signal });
    care.adopt(fleet);
    await care.looked();
    expect(notes).toEqual(["CANARY_RUN"]);
    const state = fleetState(engine.stateDir, "team");
    expect(await readCanaries(state, { host: undefined, most: 9 })).toEqual([]);
    expect(await readHostStanding(state)).toEqual([]);
  });
});
