import { expect, test } from "vitest";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import type { OpenEngine } from "../../src/observe/engines.ts";
import { imageDoubt, imageRefusal, observeImages, planImage } from "../../src/observe/images.ts";
import { registryMemo } from "../../src/observe/registry-memo.ts";

const PLACE = { backend: "memory", host: "local" };
const deps = { stateDir: "/nonexistent", env: {}, now: () => 0, randomId: () => "0" };

async function engineOf(world: ReturnType<typeof createWorld>): Promise<OpenEngine> {
  return { ref: { ...PLACE, declared: true }, reader: await memoryDriver(world).openReader(undefined, deps) };
}

test("a burst of looks asks a registry once, and the engine each time", async () => {
  let time = 0;
  const world = createWorld({ images: { "app:1": "one" } });
  const engines = [await engineOf(world)];
  const memo = registryMemo({ now: () => time, interval: () => 1000 });
  const want = { ...PLACE, ref: "app:1", policy: "track" };
  const look = async () => {
    const [fact] = (await observeImages(engines, [want, want], { locked: [], memo })).values();
    return fact?.state.status;
  };
  expect(await look()).toBe("present");
  world.moveImage("app:1", "two", "registry");
  expect(await look()).toBe("present");
  // The engine's own tag moves: that is seen at once, against what the registry said.
  world.machine().images.set("app:1", "sha256:other");
  expect(await look()).toBe("absent");
  time = 2000;
  world.moveImage("app:1", "three");
  expect(await look()).toBe("present");
});

test("a registry that is away is remembered as such, and what the engine has stays usable", async () => {
  const world = createWorld({ images: { "app:1": "one" } });
  const engines = [await engineOf(world)];
  world.machine();
  world.registry.clear();
  const memo = registryMemo({ now: () => 0, interval: () => 1000 });
  const want = { ...PLACE, ref: "app:1", policy: "track" };
  for (let round = 0; round < 2; round += 1) {
    const [fact] = (await observeImages(engines, [want], { locked: [], memo })).values();
    if (fact === undefined) throw new Error("nothing was told");
    expect(fact.state).toMatchObject({ status: "present", unresolved: expect.any(String) });
    expect(planImage(fact)).toMatchObject({ present: true, kind: "config" });
    expect(imageDoubt(fact)).toMatchObject({ code: "image-unresolved" });
    expect(imageRefusal(fact)).toBeUndefined();
  }
});

test("what may not be had is refused with its fix", async () => {
  const world = createWorld({ images: { "app:1": "one" } });
  const engines = [await engineOf(world)];
  const wants = [
    { ...PLACE, ref: "none:1", policy: "never" },
    { ...PLACE, ref: "app:1", policy: "pin" },
    { ...PLACE, ref: "none:1", policy: "missing" },
  ];
  const [never, pin, missing] = [...(await observeImages(engines, wants, { locked: [] })).values()];
  expect(imageRefusal(never)?.fix).toContain("load or build");
  expect(imageRefusal(pin)?.fix).toContain("images lock");
  expect(imageRefusal(missing)).toBeUndefined();
});
