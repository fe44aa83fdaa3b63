import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { SandkeepError } from "../../../src/errors.ts";
import { specHash } from "../../../src/desire/hash.ts";
import type { CreateRequest, Driver, DriverDeps } from "../../../src/drivers/driver.ts";
import { ProcessDeath } from "../../../src/drivers/memory/errors.ts";
import type { Fault } from "../../../src/drivers/memory/faults.ts";
import { memoryDriver } from "../../../src/drivers/memory/index.ts";
import type { MemoryWorld, WorldOptions } from "../../../src/drivers/memory/world.ts";
import { createWorld } from "../../../src/drivers/memory/world.ts";
import type { JsonObject } from "../../../src/model/json.ts";
import type { Host } from "../../../src/model/settings.ts";

const deps: DriverDeps = { stateDir: "/nowhere", env: {}, now: () => 0, randomId: () => "0".repeat(16) };
const remote: Host = { name: "b1", labels: {} };
const scope = { fleet: "team", names: [] };

function requestOf(suffix: string, options: JsonObject = {}, provider = "bind"): CreateRequest {
  const workspace = { source: "/src", access: "rw", target: "/workspace", provider };
  const values = { workspace, env: { A: "1" }, setup: [], memory: { network: "none", ...options } };
  const spec = { kind: "sandbox", backend: "memory", values } as const;
  const name = `team-${suffix}`;
  return {
    name,
    spec,
    labels: {
      fleet: "team",
      address: `agent/${suffix}`,
      kind: "sandbox",
      role: "primary",
      name,
      spec_hash: specHash(spec, []),
      spec,
      secrets: {},
      protect: false,
      owner: "o",
      created_at: 1,
      candidate_until: 2,
    },
  };
}

async function opened(
  options: WorldOptions = {},
  host?: Host,
): Promise<{ world: MemoryWorld; driver: Driver }> {
  const world = createWorld({ now: () => 1_000, ...options });
  return { world, driver: await memoryDriver(world).open(host, deps) };
}

async function names(driver: Driver): Promise<readonly string[]> {
  const seen = await driver.observe(scope);
  if (seen.status === "unobserved") throw new Error(seen.message);
  return seen.runtimes.map((each) => each.name);
}

async function output(driver: Driver, objectId: string, argv: readonly string[]): Promise<string> {
  const stdout = new PassThrough();
  const { result } = await driver.exec({ objectId, argv, env: {}, stdout, stderr: new PassThrough() });
  const { exitCode } = await result;
  stdout.end();
  return `${exitCode}: ${await text(stdout)}`;
}

it("forgets a workspace that no runtime uses, and only its own fleet's", async () => {
  const { driver } = await opened();
  const make = () => driver.create(requestOf("a", {}, "volume"));
  const first = await make();
  expect(first.needsSeed).toBe(true);
  await expect(driver.forget(scope, "agent/a")).rejects.toMatchObject({ kind: "conflict" });
  await driver.remove(first.objectId, "keep");
  await driver.forget({ ...scope, fleet_id: "other" }, "agent/a");
  await driver.forget(scope, "agent/b");
  const second = await make();
  expect(second.needsSeed).toBe(false);
  await driver.remove(second.objectId, "keep");
  await driver.forget(scope, "agent/a");
  expect((await make()).needsSeed).toBe(true);
});

describe("faults", () => {
  it.each([
    ["before", { kind: "fail", when: "before", as: "transient" }, "transient", 0],
    ["after", { kind: "fail", when: "after", as: "terminal" }, "terminal", 1],
    ["a lost answer", { kind: "lost" }, "transient", 1],
  ] as const)("fail %s the effect", async (_title, effect, kind, made) => {
    const { world, driver } = await opened();
    world.inject({ op: "create", effect });
    await expect(driver.create(requestOf("a"))).rejects.toMatchObject({ kind });
    expect(await names(driver)).toHaveLength(made);
    await driver.create(requestOf("b"));
  });

  it("strike the nth matching call, as often as asked", async () => {
    const { world, driver } = await opened();
    const fault: Fault = {
      op: "create",
      matches: (call) => call.subject !== "team-b",
      nth: 2,
      times: 2,
      effect: { kind: "fail", when: "before", as: "denied" },
    };
    world.inject(fault);
    const results: string[] = [];
    for (const suffix of ["a", "b", "c", "d", "e"]) {
      const created = await driver.create(requestOf(suffix)).catch((error: SandkeepError) => error);
      results.push(created instanceof SandkeepError ? created.kind : "ok");
    }
    expect(results).toEqual(["ok", "ok", "denied", "denied", "ok"]);
  });

  it("delay, and let others change things around a call", async () => {
    const { world, driver } = await opened();
    const { objectId } = await driver.create(requestOf("a"));
    world.inject({ op: "start", effect: { kind: "delay", ms: 30 } });
    world.inject({
      op: "start",
      effect: { kind: "hook", when: "before", run: () => world.removeBehind("team-a") },
    });
    const order: string[] = [];
    const sooner = sleep(10).then(() => order.push("sooner"));
    const call = driver.start(objectId).finally(() => order.push("start"));
    await expect(call).rejects.toMatchObject({ kind: "not-found" });
    await sooner;
    expect(order).toEqual(["sooner", "start"]);
  });

  it("show a stale list once", async () => {
    const { world, driver } = await opened();
    await driver.create(requestOf("a"));
    world.inject({ op: "observe", effect: { kind: "stale" } });
    await driver.create(requestOf("b"));
    expect(await names(driver)).toEqual(["team-a"]);
    expect(await names(driver)).toEqual(["team-a", "team-b"]);
  });

  it("make the engine unreachable: observed as such, and nothing happens", async () => {
    const { world, driver } = await opened();
    world.machine().reachable = false;
    expect(await driver.observe(scope)).toMatchObject({ status: "unobserved", kind: "unreachable" });
    expect(await driver.probe()).toMatchObject({ status: "unavailable" });
    await expect(driver.create(requestOf("a"))).rejects.toMatchObject({ kind: "unreachable" });
    world.machine().reachable = true;
    expect(await names(driver)).toEqual([]);
  });
});

describe("the death of a process", () => {
  it.each([
    ["before", 0],
    ["after", 1],
  ] as const)(
    "%s an effect leaves the world as it was then, and the dead cannot touch it",
    async (when, made) => {
      const { world, driver } = await opened();
      world.inject({ op: "create", effect: { kind: "kill", when, how: "throw" } });
      await expect(driver.create(requestOf("a"))).rejects.toThrow(ProcessDeath);
      await expect(driver.create(requestOf("b"))).rejects.toThrow(ProcessDeath);
      await expect(driver.observe(scope)).rejects.toThrow(ProcessDeath);
      world.revive();
      await expect(driver.create(requestOf("b"))).rejects.toThrow(ProcessDeath);
      expect(await names(await memoryDriver(world).open(undefined, deps))).toHaveLength(made);
    },
  );

  it("can leave its callers waiting for ever", async () => {
    const { world, driver } = await opened();
    world.inject({ op: "create", effect: { kind: "kill", when: "after", how: "hang" } });
    const call = driver.create(requestOf("a")).then(() => "answered");
    expect(await Promise.race([call, world.killed().then(() => "killed")])).toBe("killed");
    await world.killed();
  });
});

describe("the world", () => {
  it("counts reads and writes, and gives the same ids in every run", async () => {
    const { world, driver } = await opened();
    const { objectId } = await driver.create(requestOf("a"));
    await driver.start(objectId);
    await driver.observe(scope);
    await driver.inspect(objectId);
    expect(world.calls).toEqual({ read: 2, write: 2 });
    expect(world.log.map((call) => call.op)).toEqual(["create", "start", "observe", "inspect"]);
    world.resetCalls();
    expect(world.calls).toEqual({ read: 0, write: 0 });
    const again = await opened();
    expect((await again.driver.create(requestOf("a"))).objectId).toBe(objectId);
  });

  it("moves tags: what exists keeps its digest, a registry-only move counts for `track` alone", async () => {
    const { world, driver } = await opened({ images: { "base:1": "one" } });
    const { objectId } = await driver.create(requestOf("a", { image: "base:1" }));
    const before = await driver.inspect(objectId);
    world.moveImage("base:1", "two", "registry");
    expect(await driver.resolveImage("base:1", "missing")).toEqual({
      status: "present",
      image: before?.image,
    });
    expect(await driver.resolveImage("base:1", "track")).toMatchObject({ status: "absent" });
    expect((await driver.fetch("base:1", "missing", () => undefined)).image.digest).toBe(
      before?.image?.digest,
    );
    expect((await driver.fetch("base:1", "track", () => undefined)).image.digest).not.toBe(
      before?.image?.digest,
    );
    expect((await driver.inspect(objectId))?.image).toEqual(before?.image);
    expect((await driver.resolveImage("base:1", "missing")).status).toBe("present");
    await expect(driver.fetch("none:1", "missing", () => undefined)).rejects.toMatchObject({
      kind: "not-found",
    });
    await expect(driver.create(requestOf("b", { image: "none:1" }))).rejects.toMatchObject({
      kind: "not-found",
    });
  });

  it("seeds a volume once an address; it outlives its runtime until it is deleted", async () => {
    const { driver } = await opened({}, remote);
    const request = requestOf("a", {}, "volume");
    const first = await driver.create(request);
    expect(first.needsSeed).toBe(true);
    await driver.start(first.objectId);
    await output(driver, first.objectId, ["write", "note", "kept"]);
    await driver.remove(first.objectId, "keep");
    const second = await driver.create(request);
    expect(second.needsSeed).toBe(false);
    await driver.start(second.objectId);
    expect(await output(driver, second.objectId, ["cat", "note"])).toBe("0: kept\n");
    await driver.remove(second.objectId, "delete");
    expect((await driver.create(request)).needsSeed).toBe(true);
  });

  it("ends runtimes whose own command ends, and plays health scripts", async () => {
    const { world, driver } = await opened();
    const { objectId } = await driver.create(requestOf("a", { command: ["exit", "3"] }));
    await driver.start(objectId);
    expect(await driver.health(objectId)).toMatchObject({ state: "exited", exit_code: 3, running_ms: 0 });
    const healthy = await driver.create(requestOf("b"));
    await driver.start(healthy.objectId);
    world.healthScript = (_name, nth) => ({ health: nth < 3 ? "starting" : "healthy" });
    const seen: string[] = [];
    for (let n = 0; n < 3; n += 1) seen.push((await driver.health(healthy.objectId)).health);
    expect(seen).toEqual(["starting", "starting", "healthy"]);
  });

  it("refuses to take a limit away in place, and runs setup lines", async () => {
    const { driver } = await opened();
    const { objectId } = await driver.create(requestOf("a", { memory: 5 }));
    await driver.start(objectId);
    const { spec, labels } = requestOf("a");
    const update = driver.update({ objectId, spec, labels, paths: ["memory.memory"] });
    await expect(update).rejects.toMatchObject({ kind: "terminal" });
    expect(await output(driver, objectId, ["sh", "-c", "echo one && exit 4 && echo two"])).toBe("4: one\n");
    expect(await output(driver, objectId, ["toString"])).toBe("127: ");
  });

  it("changes behind the driver's back show in what it observes", async () => {
    const { world, driver } = await opened();
    const { objectId } = await driver.create(requestOf("a", { cpus: 1 }));
    await driver.start(objectId);
    world.changeBehind("team-a", "memory.cpus", 2);
    expect((await driver.inspect(objectId))?.fields["memory.cpus"]).toBe(2);
    world.stopBehind("team-a");
    expect(await driver.inspect(objectId)).toMatchObject({ state: "stopped", exit_code: 137 });
    world.renameBehind("team-a", "else");
    expect(await names(driver)).toEqual(["else"]);
  });
});
