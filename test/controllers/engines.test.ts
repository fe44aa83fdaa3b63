import { afterEach, expect, test } from "vitest";
import { EngineEvents } from "../../controllers/engines.ts";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import { createWorld, type MemoryWorld } from "../../src/drivers/memory/world.ts";
import type { EventBody } from "../../src/model/event.ts";
import { resolve } from "../../src/resolve/index.ts";
import { VirtualClock, settle } from "../loop/virtual-clock.ts";
import type { Config } from "../../src/config/schema/root.ts";
import type { ResolvedFleet } from "../../src/model/settings.ts";

const open: EngineEvents[] = [];
afterEach(async () => {
  for (const events of open.splice(0)) await events[Symbol.asyncDispose]();
});

function follow(world: MemoryWorld): {
  events: EngineEvents;
  keys: string[];
  notes: EventBody[];
  clock: VirtualClock;
} {
  const keys: string[] = [];
  const notes: EventBody[] = [];
  const clock = new VirtualClock();
  const events = new EngineEvents({
    drivers: { memory: () => Promise.resolve(memoryDriver(world)) },
    deps: { stateDir: "/nowhere", env: {}, now: () => 0, randomId: () => "0".repeat(16) },
    clock,
    random: () => 0.5,
    sink: { notify: (event) => notes.push(event) },
    trigger: (key) => keys.push(key),
  });
  open.push(events);
  return { events, keys, notes, clock };
}

function fleet(agents: Config["agents"]): ResolvedFleet {
  const { draft } = resolve(
    { root: "/repo", config: { version: 1, fleet: "f", fleet_id: "abcd", agents }, locate: () => undefined },
    { home: "/root", realPath: (path) => path },
  );
  return draft;
}

const SANDBOX = { sandbox: { backend: "memory" } } as const;

test("one subscription an engine, which asks for a full look, and none twice", async () => {
  const world = createWorld();
  const { events, keys } = follow(world);
  const wanted = fleet({ a: SANDBOX, b: SANDBOX });
  await events.follow(wanted);
  await events.follow(wanted);
  expect(keys).toEqual(["fleet"]);
  expect(world.log.filter(({ op }) => op === "observe")).toEqual([]);
});

test("an engine that is away does not hold up the start, and is tried again", async () => {
  const world = createWorld();
  world.machine().reachable = false;
  const { events, keys, notes, clock } = follow(world);
  await events.follow(fleet({ a: SANDBOX }));
  expect(keys).toEqual([]);
  expect(notes).toMatchObject([{ type: "note", level: "warn", code: "EVENTS_LOST" }]);
  world.machine().reachable = true;
  clock.advance(1000);
  await settle();
  expect(keys).toEqual(["fleet"]);
});

test("engines that a new config no longer uses are let go", async () => {
  const world = createWorld();
  const { events, keys } = follow(world);
  await events.follow(fleet({ a: SANDBOX }));
  await events.follow(fleet({ a: { sandbox: { ...SANDBOX.sandbox, mode: "off" as const } } }));
  await settle();
  await events.follow(fleet({ a: SANDBOX }));
  expect(keys).toEqual(["fleet", "fleet"]);
  expect(world.log.filter(({ op }) => op === "events").length).toBe(2);
});
