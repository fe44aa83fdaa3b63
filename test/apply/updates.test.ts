import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Json } from "../../src/model/json.ts";
import type { Change } from "../../src/model/plan.ts";
import { Lab } from "../support/memory-fleet.ts";
import { wish } from "../support/runtimes.ts";
import { Bench } from "./applying.ts";

// Labels of a process cannot change, so what was set in place since is remembered: without it a plan would tell that the
// config changed a limit which somebody changed behind its back, and the other way round.

const limited = (memory: number, cpus?: number) =>
  wish({ settings: { options: { memory, ...(cpus === undefined ? {} : { cpus }) } } });

/** What apply tells of each runtime that it changed in place. */
function listening(): {
  readonly told: Readonly<Record<string, Json>>[];
  readonly updated: (id: string, values: Readonly<Record<string, Json>>) => Promise<void>;
} {
  const told: Readonly<Record<string, Json>>[] = [];
  return { told, updated: async (_id, values) => void told.push(values) };
}

describe("a change in place", () => {
  it("is told once it is proved: all that the labels do not tell, and nothing once they tell it again", async () => {
    const bench = new Bench();
    const { told, updated } = listening();
    await bench.run({ desired: [limited(1024)] }, { updated });
    expect(told).toEqual([]);
    await bench.run({ desired: [limited(2048)] }, { updated });
    await bench.run({ desired: [limited(2048, 1)] }, { updated });
    await bench.run({ desired: [limited(1024, 1)] }, { updated });
    expect(told).toEqual([
      { "memory.memory": 2048 },
      { "memory.memory": 2048, "memory.cpus": 1 },
      { "memory.cpus": 1 },
    ]);
    await bench.run({ desired: [limited(1024)] }, { updated });
    expect(told.at(-1)).toEqual({});
  });

  it("is not told where it did not happen, nor where labels follow it", async () => {
    const { told, updated } = listening();
    const bench = new Bench();
    await bench.run({ desired: [limited(1024)] });
    bench.world.dropped.add("memory.memory");
    expect((await bench.run({ desired: [limited(2048)] }, { updated })).exit_code).toBe(1);
    expect(told).toEqual([]);
    const directory = new Bench({ lifecycle: "directory" });
    await directory.run({ desired: [limited(1024)] });
    expect((await directory.run({ desired: [limited(2048)] }, { updated })).exit_code).toBe(0);
    expect(told).toEqual([{}]);
  });
});

describe("the origin of a difference after a change in place", () => {
  /** Made with one core, and set to two in place. */
  async function updatedLab(): Promise<Lab> {
    const lab = new Lab();
    await cores(lab, 1);
    await lab.apply();
    await cores(lab, 2);
    const { plan } = await lab.apply();
    expect(plan.changes).toMatchObject([{ actions: ["update"], origin: "config" }]);
    expect((await lab.plan()).changes).toMatchObject([{ actions: ["no-op"] }]);
    return lab;
  }
  const cores = (lab: Lab, cpus: number): Promise<void> =>
    lab.write({ sandbox: { backend: "docker", docker: { image: "img:a", cpus } }, agents: { a: {} } });
  /** As somebody with the engine's own tool. */
  const meddle = (lab: Lab, cpus: number): void => {
    for (const object of lab.objects()) {
      object.fields["memory.cpus"] = cpus;
      lab.world.machine().changed(object);
    }
  };
  const change = async (lab: Lab, machine?: string): Promise<Change | undefined> =>
    (await lab.plan({}, machine)).changes[0];

  it("is live, where somebody else changed it since", async () => {
    await using lab = await updatedLab();
    meddle(lab, 3);
    expect(await change(lab)).toMatchObject({
      origin: "live",
      reasons: [{ path: "docker.cpus", before: 3, after: 2 }],
    });
    meddle(lab, 1);
    expect(await change(lab)).toMatchObject({ origin: "live", reasons: [{ before: 1, after: 2 }] });
    await lab.apply();
    meddle(lab, 3);
    expect(await change(lab)).toMatchObject({ origin: "live" });
  });

  it("is of the config, where that was edited since, be it back to what the runtime was made with", async () => {
    await using lab = await updatedLab();
    await cores(lab, 1);
    expect(await change(lab)).toMatchObject({
      origin: "config",
      reasons: [{ path: "docker.cpus", before: 2, after: 1 }],
    });
    await lab.apply();
    expect(await change(lab)).toMatchObject({ actions: ["no-op"] });
    meddle(lab, 3);
    expect(await change(lab)).toMatchObject({ origin: "live" });
  });

  it("is told from the labels alone where the state is another or lost, and the change is the same", async () => {
    await using lab = await updatedLab();
    meddle(lab, 3);
    const [known, other] = [await change(lab), await change(lab, "two")];
    expect(other).toMatchObject({ origin: "config", actions: ["update"] });
    expect(other?.reasons).toEqual(known?.reasons);
    lab.forget();
    expect(await change(lab)).toMatchObject({ origin: "config", actions: ["update"] });
  });

  it("is kept for as long as the runtime is there", async () => {
    await using lab = await updatedLab();
    const kept = () => readdir(join(lab.state().dir, "updates"));
    expect(await kept()).toHaveLength(1);
    await lab.apply();
    expect(await kept()).toHaveLength(1);
    for (const object of lab.objects()) lab.world.machine().remove(object);
    await lab.apply();
    expect(await kept()).toEqual([]);
  });
});
