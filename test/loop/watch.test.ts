import { appendFile, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watch, type WatchOptions } from "../../controllers/watch.ts";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import { createWorld, type MemoryWorld } from "../../src/drivers/memory/world.ts";
import type { EventBody } from "../../src/model/event.ts";
import type { Engine } from "../../src/reconcile.ts";
import { fleetState } from "../../src/state/directory.ts";
import { hold } from "../../src/state/holds.ts";
import { ownIdentity } from "../../src/util/process-identity.ts";
import { realWait } from "../../src/util/wait.ts";

// Each test waits for what must come about as long as a loaded machine may take; only a hang reaches these.
const PATIENCE_MS = 45_000;
vi.setConfig({ testTimeout: 120_000 });

let folder = "";
let world: MemoryWorld;
let events: EventBody[] = [];
let running: { stop: AbortController; hard: AbortController; ended: Promise<number> }[] = [];

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-watch-")));
  await mkdir(join(folder, "repo"));
  world = createWorld({ uptime: 10_000 });
  events = [];
});

afterEach(async () => {
  for (const { stop, ended } of running.splice(0)) {
    stop.abort();
    await ended.catch(() => undefined);
  }
  // After a second signal work goes on for a moment; the real process would be gone.
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

const config = (agents: string, more = ""): string =>
  `version = 1\nfleet = "f"\nfleet_id = "abcd"\n${more}[sandbox]\nbackend = "memory"\n${agents}`;

function write(text: string): Promise<void> {
  return writeFile(join(folder, "repo", "sandkeep.toml"), text);
}

function engine(): Engine {
  return {
    drivers: { memory: () => Promise.resolve(memoryDriver(world)) },
    stateDir: join(folder, "state"),
    cwd: join(folder, "repo"),
    env: { HOME: folder },
    now: () => Date.now(),
    wait: realWait,
    randomId: () => randomBytes(8).toString("hex"),
    sink: { notify: (event) => events.push(event) },
    toolVersion: "0.0.0",
  };
}

function start(options: Partial<WatchOptions> = {}): (typeof running)[number] {
  const stop = new AbortController();
  const hard = new AbortController();
  const ended = watch(engine(), { signal: stop.signal, hardSignal: hard.signal, ...options });
  const started = { stop, hard, ended };
  running.push(started);
  return started;
}

/** Canonical names of what runs, sorted. */
function names(): string[] {
  const objects = [...world.machine().names.values()];
  return objects
    .filter(({ state }) => state === "running")
    .map(({ name }) => name)
    .toSorted();
}

function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: PATIENCE_MS, interval: 5 });
}

function of<T extends EventBody["type"]>(type: T): Extract<EventBody, { type: T }>[] {
  return events.filter((event): event is Extract<EventBody, { type: T }> => event.type === type);
}

/** Waits until no cycle has run for a while. */
async function quiet(ms = 250): Promise<void> {
  for (let seen = -1; seen !== events.length;) {
    seen = events.length;
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}

test("once makes one full cycle and answers with its exit code", async () => {
  await write(config("[agents.a]\n[agents.b]\n"));
  expect(await start({ once: true }).ended).toBe(0);
  expect(names().length).toBe(2);
  expect(of("watch.cycle").length).toBe(1);
});

test("once with an invalid config answers 78 and touches nothing", async () => {
  await write(config("[agents.a]\nnonsense = 1\n"));
  expect(await start({ once: true }).ended).toBe(78);
  expect(world.calls.write).toBe(0);
  expect(of("diagnostic").length).toBeGreaterThan(0);
});

test("watch without a valid config to begin with ends with 78", async () => {
  await write("nonsense");
  expect(await start().ended).toBe(78);
});

test("what someone removes or stops comes back, and nothing is asked in between", async () => {
  await write(config("[agents.a]\n[agents.b]\n"));
  start();
  await until(() => expect(names().length).toBe(2));
  await quiet();
  const [first = "", second = ""] = names();
  world.removeBehind(first);
  await until(() => expect(names()).toEqual([first, second]));
  world.stopBehind(second);
  await until(() => expect(names()).toEqual([first, second]));
  await quiet();
  world.resetCalls();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(world.calls).toEqual({ read: 0, write: 0 });
});

test("an edit is followed; a broken one keeps the last good config in force, and prunes nothing", async () => {
  await write(config("[agents.a]\n", '[watch]\ndebounce = "50ms"\n'));
  start();
  await until(() => expect(names().length).toBe(1));
  await write(config("[agents.a]\n[agents.b]\n", '[watch]\ndebounce = "50ms"\n'));
  await until(() => expect(names().length).toBe(2));
  await quiet();
  await write(config("[agents.a\n"));
  await until(() => expect(of("watch.config").at(-1)?.status).toBe("invalid"));
  expect(of("diagnostic").length).toBeGreaterThan(0);
  const [first = "", second = ""] = names();
  world.removeBehind(second);
  await until(() => expect(names()).toEqual([first, second]));
  await rm(join(folder, "repo", "sandkeep.toml"));
  await quiet();
  expect(names()).toEqual([first, second]);
  await write(config("[agents.b]\n", '[watch]\ndebounce = "50ms"\n'));
  await until(() => expect(names()).toEqual([second]));
});

test.each([
  [
    "its edit",
    '[agents.a.sandbox.env]\nNEW = "1"\n[agents.b]\n',
    [
      ["running", "1"],
      ["running", undefined],
    ],
  ],
  ["its removal", "[agents.b]\n", [["running", undefined]]],
])("%s stays in force when it comes while the address is looked at", async (_, edited, expected) => {
  const quick = '[watch]\ndebounce = "50ms"\n';
  await write(config("[agents.a]\n[agents.b]\n", quick));
  start();
  await until(() => expect(names().length).toBe(2));
  await quiet();
  let looked = false;
  let goOn = (): void => undefined;
  const waiting = new Promise<void>((resolve) => (goOn = resolve));
  const run = (): Promise<void> => {
    looked = true;
    return waiting;
  };
  world.inject({ op: "observe", effect: { kind: "hook", when: "before", run } });
  const [first = ""] = names();
  world.stopBehind(first);
  await until(() => expect(looked).toBe(true));
  await write(config(edited, quick));
  await until(() => expect(of("watch.config").filter(({ status }) => status === "loaded").length).toBe(2));
  goOn();
  await until(() => {
    const made = [...world.machine().names.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    expect(made.map(({ state, fields }) => [state, Object(fields["env"])["NEW"]])).toEqual(expected);
  });
  expect(of("watch.config").length).toBe(2);
});

test("a config that contradicts itself falls back to the last good one", async () => {
  const shared = 'scope = "shared"\n[agents.a]\n[agents.b]\n';
  await write(config(shared));
  start();
  await until(() => expect(names().length).toBe(1));
  await write(config(`${shared}[agents.b.sandbox.env]\nX = "1"\n`));
  await until(() => expect(of("watch.config").at(-1)?.status).toBe("invalid"));
  await quiet();
  const [only = ""] = names();
  world.removeBehind(only);
  await until(() => expect(names()).toEqual([only]));
});

test("a runtime that keeps dying is parked, alone, until its settings change", async () => {
  const text = config("[agents.a]\n[agents.b]\n", '[watch]\ndebounce = "50ms"\n');
  await write(text);
  start();
  await until(() => expect(names().length).toBe(2));
  await quiet();
  const [first = "", second = ""] = names();
  for (let kill = 1; kill <= 3; kill++) {
    world.stopBehind(first);
    await until(() => expect(names()).toEqual([first, second]));
    await quiet(100);
  }
  await until(() => expect(of("watch.stalled").length).toBe(1));
  world.stopBehind(first);
  world.stopBehind(second);
  await until(() => expect(names()).toContain(second));
  await quiet();
  expect(names()).toEqual([second]);
  await write(`${text}[agents.a.sandbox.env]\nNEW = "1"\n[agents.b.sandbox.env]\nNEW = "1"\n`);
  await until(() => expect(names()).toEqual([first, second]));
  expect(of("watch.stalled").length).toBe(1);
});

test("a failing address backs off while others go on, and succeeds once it can", async () => {
  await write(config("[agents.a]\n", '[watch]\ndebounce = "50ms"\n'));
  start();
  await until(() => expect(names().length).toBe(1));
  await quiet();
  const [first = ""] = names();
  world.inject({ op: "create", effect: { kind: "fail", as: "terminal", when: "before" }, times: 2 });
  world.removeBehind(first);
  await until(() => expect(of("watch.backoff").length).toBeGreaterThan(0));
  await until(() => expect(names()).toEqual([first]));
  expect(of("watch.backoff").map(({ attempt }) => attempt)).toEqual([1, 2]);
  expect(of("watch.stalled")).toEqual([]);
});

test("an engine that goes away is waited for, and what it holds is not touched", async () => {
  await write(config("[agents.a]\n"));
  start({ intervalMs: 300 });
  await until(() => expect(names().length).toBe(1));
  await quiet(100);
  world.machine().reachable = false;
  await until(() => expect(of("note").some(({ code }) => code === "ENGINE_UNOBSERVED")).toBe(true));
  world.resetCalls();
  const [only = ""] = names();
  world.machine().reachable = true;
  world.stopBehind(only);
  await until(() => expect(names()).toEqual([only]));
  await until(() => expect(of("note").some(({ code }) => code === "ENGINE_OBSERVED")).toBe(true));
});

test("the first signal drains: what runs is finished, and nothing more is begun", async () => {
  await write(config(Array.from({ length: 12 }, (_, index) => `[agents.a${index}]\n`).join("")));
  world.inject({ op: "start", effect: { kind: "delay", ms: 150 } });
  const { stop, ended } = start();
  await until(() => expect(world.log.some(({ op }) => op === "start")).toBe(true));
  stop.abort();
  expect(await ended).toBe(0);
  expect(of("watch.stopped")).toEqual([{ type: "watch.stopped", reason: "asked to stop", drained: true }]);
  const kept = [...world.machine().names.keys()];
  expect(kept.filter((name) => name.endsWith(".new") || name.endsWith(".old"))).toEqual([]);
  const calls = world.log.length;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(world.log.length).toBe(calls);
});

test("the second signal leaves at once", async () => {
  await write(config("[agents.a]\n"));
  world.inject({ op: "start", effect: { kind: "delay", ms: 60_000 } });
  const { stop, hard, ended } = start();
  await until(() => expect(world.log.some(({ op }) => op === "start")).toBe(true));
  stop.abort();
  hard.abort();
  expect(await ended).toBe(130);
});

test("what a cycle throws is told and tried again; watch goes on", async () => {
  await write(config("[agents.a]\n"));
  await writeFile(join(folder, "state"), "a file where a folder should be");
  start({ intervalMs: 0 });
  await until(() => expect(of("note").some(({ level }) => level === "error")).toBe(true));
  await rm(join(folder, "state"));
  await until(() => expect(names().length).toBe(1));
});

test("a new file that an include matches brings its agents", async () => {
  await mkdir(join(folder, "repo", "agents"));
  await writeFile(join(folder, "repo", "agents", "a.toml"), "[agents.a]\n");
  await write(config("", 'include = ["agents/*.toml"]\n[watch]\ndebounce = "50ms"\n'));
  start();
  await until(() => expect(names().length).toBe(1));
  await quiet(100);
  await writeFile(join(folder, "repo", "agents", "b.toml"), "[agents.b]\n");
  await until(() => expect(names().length).toBe(2));
  await appendFile(join(folder, "repo", "agents", "b.toml"), "[agents.c]\n");
  await until(() => expect(names().length).toBe(3));
});

test("another process that holds the lease is waited for, and said once", async () => {
  await write(config("[agents.a]\n"));
  await start({ once: true }).ended;
  events = [];
  const [only = ""] = names();
  world.removeBehind(only);
  const lease = join(folder, "state", "fleets", "f", "lease.json");
  const free = await readFile(lease, "utf8");
  const now = Date.now();
  // A live process: this one, under a token that it does not know.
  const holder = { ...ownIdentity(), token: "another", acquired_at: now, heartbeat_at: now };
  await writeFile(lease, JSON.stringify({ v: 1, version: 99, holder }));
  start();
  try {
    await until(() => expect(of("note").map(({ code }) => code)).toEqual(["LEASE_HELD"]));
    expect(names()).toEqual([]);
  } finally {
    await writeFile(lease, free);
  }
  await until(() => expect(names()).toEqual([only]));
  expect(of("note").filter(({ code }) => code === "LEASE_HELD").length).toBe(1);
});

test("a held address is left alone", async () => {
  await write(config("[agents.a]\n[agents.b]\n"));
  start();
  await until(() => expect(names().length).toBe(2));
  await quiet(100);
  const [first = "", second = ""] = names();
  const state = fleetState(join(folder, "state"), "f");
  await hold(state, { address: "agent/a", reason: "looking at it", by: "me", since: Date.now() });
  world.stopBehind(first);
  world.stopBehind(second);
  await until(() => expect(names()).toEqual([second]));
  await quiet();
  expect(names()).toEqual([second]);
});

test("after a storm of losses the fleet is as declared, with nothing left behind", async () => {
  const agents = ["a", "b", "c", "d", "e", "f"].map((name) => `[agents.${name}]\n`).join("");
  await write(config(agents));
  start({ intervalMs: 1500 });
  await until(() => expect(names().length).toBe(6));
  await quiet(100);
  const declared = names();
  for (const op of ["create", "rename", "start"] as const) {
    world.inject({ op, nth: 2, effect: { kind: "lost" } });
  }
  for (const name of declared.slice(0, 3)) world.removeBehind(name);
  world.machine().reachable = false;
  await until(() => expect(of("note").some(({ code }) => code === "ENGINE_UNOBSERVED")).toBe(true));
  world.machine().reachable = true;
  for (const name of declared.slice(3)) world.stopBehind(name);
  await until(() => expect(names()).toEqual(declared));
  await quiet(1200);
  expect(names()).toEqual(declared);
  expect([...world.machine().names.keys()].toSorted()).toEqual(declared);
});
