// What is asked of an engine alone, and beside the machine whose host names it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import { builtInDrivers } from "../../src/drivers/registry.ts";
import { lookThroughEngines, removeThroughEngine } from "../../src/hosts/engine-look.ts";
import { lookAt } from "../../src/hosts/look.ts";
import { plainEngine } from "../support/plain-engine.ts";
import { bareHarness, Fleet, realDeps } from "../contract/harness.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-look-"));
});
afterAll(async () => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

it("a removal looks at the one container, which no listing has to tell", async () => {
  const world = createWorld({ images: { "base:1": "one" } });
  const module = memoryDriver(world);
  const host = { name: "far", labels: {} };
  const deps = realDeps(join(folder, "driver"), {});
  await using driver = await module.open(host, deps);
  const harness = bareHarness({
    module,
    host,
    deps,
    plain: { image: "base:1" },
    source: async () => ({ path: folder, keeps: async () => "" }),
  });
  await using fleet = new Fleet(harness, driver);
  const [kept, stopped] = [await fleet.run("a"), await fleet.run("b")].map(({ objectId }) => objectId);
  if (kept === undefined || stopped === undefined) throw new Error("nothing was made");
  const engine = plainEngine(folder, { drivers: { memory: async () => module } });
  const place = { via: "engine", target: "far", engines: { memory: "tcp://far:1" } } as const;
  const asked = { name: "far", host, place, labels: [] };
  const { told } = await lookThroughEngines(asked, engine);
  const remove = async (object_id: string) =>
    removeThroughEngine(asked, { engine: "memory", object_id }, told.get(object_id) ?? "", engine);
  await driver.stop(stopped);
  world.inject({ op: "inventory", effect: { kind: "fail", when: "before", as: "transient" } });
  expect(await remove(kept)).toEqual({ said: "removed" });
  expect(await remove(kept)).toEqual({ said: "gone" });
  expect(await remove(stopped)).toMatchObject({ said: "changed" });
});

it("an engine that listens elsewhere is asked there, and never this machine's own in its name", async () => {
  const host = {
    name: "both",
    labels: {},
    docker: "tcp://127.0.0.1:1",
    podman: "unix:///nonexistent/podman.sock",
  };
  const request = { name: "both", host, roots: [], disks: [], engines: ["docker", "podman"], folder };
  const { snapshot } = await lookAt(request, plainEngine(folder, { drivers: builtInDrivers }));
  const docker = snapshot.engines.filter(({ engine }) => engine === "docker");
  expect(docker).toMatchObject([{ status: "unreachable", message: expect.stringContaining("127.0.0.1:1") }]);
});
