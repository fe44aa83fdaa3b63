import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DriverDeps } from "../../src/drivers/driver.ts";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import type { MemoryWorld } from "../../src/drivers/memory/world.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import type { EngineRef, OpenEngine } from "../../src/observe/engines.ts";
import { closeEngines, engineKey, enginesOf, loadModules, openReaders } from "../../src/observe/engines.ts";
import { observeImages, planImage } from "../../src/observe/images.ts";
import { observe } from "../../src/observe/observe.ts";
import { agentOf, fleetOf } from "../support/runtimes.ts";

const deps: DriverDeps = { stateDir: "/nowhere", env: {}, now: () => 0, randomId: () => "0".repeat(16) };
const refOf = (host: string): EngineRef => ({
  backend: "memory",
  host,
  declared: true,
  config: { name: host, labels: {} },
});
const request = { fleet: "team", names: {} };

async function open(world: MemoryWorld, hosts: readonly string[]): Promise<OpenEngine[]> {
  return openReaders(hosts.map(refOf), { memory: memoryDriver(world) }, deps);
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("observing", () => {
  it("takes an engine that fails for unobserved, and the others as they are", async () => {
    const world = createWorld();
    world.machine("b1").reachable = false;
    world.inject({
      op: "observe",
      matches: ({ host }) => host === "b3",
      effect: { kind: "hook", when: "before", run: () => Promise.reject(new Error("broken pipe")) },
    });
    const engines = await open(world, ["b1", "b2", "b3"]);
    expect(await observe(engines, request)).toMatchObject([
      { status: "unobserved", host: "b1", kind: "unreachable" },
      { status: "complete", host: "b2", runtimes: [] },
      { status: "unobserved", host: "b3", kind: "transient", message: "broken pipe" },
    ]);
  });

  it("asks ten hosts side by side: each is asked before any has answered", async () => {
    const world = createWorld();
    let asked = 0;
    let all = (): void => undefined;
    const everyone = new Promise<void>((resolve) => (all = resolve));
    world.inject({
      op: "observe",
      times: 10,
      effect: {
        kind: "hook",
        when: "before",
        run: async () => {
          asked += 1;
          if (asked === 10) all();
          await everyone;
        },
      },
    });
    const hosts = Array.from({ length: 10 }, (_, n) => `b${String(n)}`);
    const seen = await observe(await open(world, hosts), request);
    expect(seen.map(({ host, status }) => [host, status])).toEqual(hosts.map((host) => [host, "complete"]));
  });

  it("does not wait for an engine longer than a minute, nor hold up the others for it", async () => {
    const world = createWorld();
    world.inject({
      op: "observe",
      matches: ({ host }) => host === "b1",
      effect: { kind: "hook", when: "before", run: () => new Promise(() => undefined) },
    });
    const engines = await open(world, ["b1", "b2"]);
    const observing = observe(engines, request);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await observing).toMatchObject([
      { status: "unobserved", host: "b1", kind: "unreachable", message: "no answer within 60 s" },
      { status: "complete", host: "b2" },
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("goes by the fleet's name of a host, and asks for the names wanted on it", async () => {
    const world = createWorld();
    const engines = await open(world, ["b1", "b2"]);
    world.addForeign("mine", {}, "b1");
    world.addForeign("mine", {}, "b2");
    const seen = await observe(engines, { ...request, names: { "memory@b2": ["mine"] } });
    expect(seen.map((each) => each.status === "complete" && each.foreign.length)).toEqual([0, 1]);
  });
});

describe("engines", () => {
  it("that cannot be opened are unobserved, and are closed with the others", async () => {
    const module = memoryDriver(createWorld());
    const broken = { ...module, openReader: async () => Promise.reject(new Error("no key")) };
    const refs = [refOf("b1"), { ...refOf("b2"), backend: "broken" }, { ...refOf("b3"), backend: "none" }];
    const engines = await openReaders(refs, { memory: module, broken }, deps);
    expect(await observe(engines, request)).toMatchObject([
      { status: "complete" },
      { status: "unobserved", kind: "transient", message: "no key" },
      { status: "unobserved", kind: "terminal", message: 'no driver for backend "none"' },
    ]);
    await closeEngines(engines);
  });

  it("are those the fleet uses, then those only remembered, each once and sorted", () => {
    const hosts = { b1: { name: "b1", labels: {}, docker: "tcp://b1:1" } };
    const agents = [
      agentOf("a", { host: "b1" }),
      agentOf("b"),
      agentOf("c"),
      agentOf("off", { mode: "off", host: "b9" }),
    ];
    const remembered = [
      { backend: "memory", host: "local", declared: false },
      { backend: "memory", host: "b0", declared: false },
    ];
    const engines = enginesOf(fleetOf(agents, { hosts }), remembered);
    expect(engines.map((each) => `${engineKey(each)} ${each.declared}`)).toEqual([
      "memory@b0 false",
      "memory@b1 true",
      "memory@local true",
    ]);
    expect(engines[1]?.config).toEqual(hosts.b1);
    expect(enginesOf(undefined, remembered)).toHaveLength(2);
  });

  it("load each backend's driver once, and none that is unknown", async () => {
    let loads = 0;
    const load = async () => {
      loads += 1;
      return memoryDriver(createWorld());
    };
    expect(Object.keys(await loadModules({ memory: load }, ["memory", "none", "memory"]))).toEqual([
      "memory",
    ]);
    expect(loads).toBe(1);
  });
});

const want = (host: string, policy = "missing") => ({ backend: "memory", host, ref: "img:a", policy });

describe("images", () => {
  it("are asked for once each, and unknown where nobody could say", async () => {
    const world = createWorld({ images: { "img:a": "1" } });
    world.machine("b2").images.clear();
    world.machine("b3").reachable = false;
    const engines = await open(world, ["b1", "b2", "b3"]);
    const wants = [want("b1"), want("b1"), want("b2"), want("b3"), want("b4")];
    const facts = await observeImages(engines, wants);
    expect([...facts.values()].map(({ host, state }) => `${host} ${state.status}`)).toEqual([
      "b1 present",
      "b2 absent",
      "b3 unknown",
      "b4 unknown",
    ]);
    expect(world.log.filter(({ op, host }) => op === "resolveImage" && host === "b1")).toHaveLength(1);
    expect([...facts.values()].map((fact) => planImage(fact).present)).toEqual([true, false, false, false]);
  });

  it("of an engine that does not answer are unknown after a minute", async () => {
    const world = createWorld({ images: { "img:a": "1" } });
    world.inject({
      op: "resolveImage",
      matches: ({ host }) => host === "b1",
      effect: { kind: "hook", when: "before", run: () => new Promise(() => undefined) },
    });
    const asking = observeImages(await open(world, ["b1", "b2"]), [want("b1"), want("b2")]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([...(await asking).values()].map(({ state }) => state.status)).toEqual(["unknown", "present"]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
