// What a fleet that salvages does before a runtime goes, and what it leaves alone when it cannot.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { MemoryObject } from "../../src/drivers/memory/machine.ts";
import type { BundleManifest } from "../../src/model/salvage-bundle.ts";
import { listBundles } from "../../src/state/bundles.ts";
import { HOUR, Lab } from "../support/memory-fleet.ts";

const ALWAYS = { when: "always" };
const fleet = (agents: Record<string, object>, salvage: object = ALWAYS): object => ({
  sandbox: { backend: "docker", docker: { image: "img:a" }, salvage },
  agents,
});
const drifted = { sandbox: { docker: { network: "bridge" } } };

function fill(object: MemoryObject | undefined, text = "work"): string {
  if (object === undefined) throw new Error("there is no runtime");
  object.files.set("root/work/notes", { type: "file", mode: 0o640, content: Buffer.from(text) });
  object.files.set("root/work/link", { type: "link", target: "notes" });
  object.files.set("root/.cache/junk", { type: "file", mode: 0o600, content: Buffer.alloc(5000) });
  return object.id;
}

async function lab(agents: Record<string, object> = { a: {} }, salvage: object = ALWAYS): Promise<Lab> {
  const made = new Lab({ uptime: 10_000 });
  await made.write(fleet(agents, salvage));
  await made.apply();
  return made;
}

const kept = async (made: Lab): Promise<BundleManifest[]> =>
  (await listBundles(made.state())).whole.map(({ manifest }) => manifest);
const at = (made: Lab, address: string): MemoryObject | undefined =>
  made.primaries().find(({ decoded }) => decoded?.address === address);
const standing = (made: Lab): string[] => made.objects().map(({ id, state }) => `${id} ${state}`);

describe("a runtime that goes", () => {
  it("is kept when it is replaced, pruned, no longer declared, or destroyed", async () => {
    await using made = await lab({ a: {}, b: {}, c: {}, d: {} });
    const ids = made.primaries().map((object) => fill(object));
    await made.write(fleet({ a: drifted, c: {}, d: {} }));
    await made.apply();
    made.primaries().forEach((object) => fill(object, "more"));
    made.time.advance(25 * HOUR);
    await made.write(
      fleet({ a: drifted, c: {}, d: { sandbox: { prune: { idle: "off", max_age: "off" } } } }),
    );
    await made.apply();
    await made.intent({ mode: "destroy", unprotect: false });
    expect(made.objects()).toEqual([]);
    const bundles = await kept(made);
    expect(bundles.map(({ address }) => address).toSorted()).toEqual([
      "agent/a",
      "agent/a",
      "agent/b",
      "agent/c",
      "agent/d",
    ]);
    expect(ids.filter((id) => !bundles.some(({ object_id }) => object_id === id))).toEqual([]);
    for (const each of bundles) expect(each).toMatchObject({ files: 3, deleted: [], skipped: [] });
  });

  it("leaves no bundle when nothing was written in it, nor of what is excluded", async () => {
    await using made = await lab({ a: {}, b: {} }, { when: "always", exclude: ["/root"] });
    fill(made.primaries()[0]);
    await made.intent({ mode: "destroy", unprotect: false });
    expect([standing(made), await kept(made)]).toEqual([[], []]);
  });

  it("keeps what is included and not excluded", async () => {
    await using made = await lab({ a: {} }, { when: "always", include: ["/root"], exclude: ["**/.cache"] });
    const [object] = made.primaries();
    fill(object);
    object?.files.set("opt/x", { type: "file", mode: 0o644, content: Buffer.alloc(3) });
    await made.intent({ mode: "destroy", unprotect: false });
    expect(await kept(made)).toMatchObject([{ files: 2, bytes: 4 }]);
  });

  it("goes by what it was made with once nobody declares it", async () => {
    await using made = await lab({ a: { sandbox: { salvage: ALWAYS } }, b: {} }, { when: "off" });
    const [a, b] = ["agent/a", "agent/b"].map((address) => fill(at(made, address)));
    await made.write({ ...fleet({ c: {} }, { when: "off" }) });
    await made.apply();
    expect(standing(made)).toHaveLength(1);
    expect((await kept(made)).map(({ object_id }) => object_id)).toEqual([a]);
    expect(b).not.toBe(a);
  });

  it("is not kept against a person's word, where that is what the config says, or what the person says", async () => {
    await using made = await lab({ a: {}, b: {} }, { when: "unattended" });
    fill(made.primaries()[0]);
    await made.intent({ mode: "recreate", targets: ["agent/a"] });
    expect(await kept(made)).toEqual([]);
    fill(at(made, "agent/b"));
    await made.write(fleet({ a: drifted, b: drifted }, { when: "unattended" }));
    await made.apply({ no_salvage: true });
    expect(await kept(made)).toEqual([]);
    fill(at(made, "agent/a"));
    await made.write(fleet({ b: drifted }, { when: "unattended" }));
    expect((await made.plan()).changes[0]?.impact).toMatchObject({ salvage: true });
    await made.apply();
    expect(await kept(made)).toHaveLength(1);
  });

  it("gives way to newer ones of its address as the config says", async () => {
    await using made = await lab({ a: {} }, { when: "always", keep: 2 });
    for (const text of ["one", "two", "three"]) {
      fill(made.primaries()[0], text);
      made.time.advance(1000);
      await made.intent({ mode: "recreate", targets: ["agent/a"] });
    }
    const bundles = await listBundles(made.state());
    expect(bundles.whole).toHaveLength(2);
    const tars = await Promise.all(
      bundles.whole.map(({ path }) => readFile(join(path, "files.tar"), "latin1")),
    );
    expect(tars.map((tar) => ["one", "two", "three"].find((text) => tar.includes(text)))).toEqual([
      "three",
      "two",
    ]);
  });
});

describe("a salvage that fails", () => {
  const SMALL = { when: "always", max_bytes: 100 };

  it.each(["process", "directory"] as const)(
    "keeps the old one as it was, and exits 1 (%s)",
    async (lifecycle) => {
      await using made = new Lab({ uptime: 10_000, lifecycle });
      await made.write(fleet({ a: {} }, SMALL));
      await made.apply();
      const [old] = made.primaries();
      fill(old);
      const before = made.primaries().map(({ id, name, state }) => ({ id, name, state }));
      await made.write(fleet({ a: drifted }, SMALL));
      const { result } = await made.apply();
      expect(result).toMatchObject({
        exit_code: 1,
        outcomes: [{ status: "failed", error: { code: "SALVAGE_TOO_LARGE" } }],
      });
      expect(made.objects().map(({ id, name, state }) => ({ id, name, state }))).toEqual(before);
      expect(await listBundles(made.state())).toEqual({ whole: [], damaged: [] });
      await made.write(fleet({ a: drifted }, { ...SMALL, oversize: "truncate" }));
      expect((await made.apply()).result.exit_code).toBe(0);
      const [bundle] = await kept(made);
      expect(bundle?.skipped).toEqual([
        { path: "/root/.cache/junk", bytes: 5000, why: "it does not fit into max_bytes" },
      ]);
    },
  );

  it("stops nothing for what is more than may be kept, however often it is tried", async () => {
    await using made = await lab({ a: {}, b: {} }, SMALL);
    for (const object of made.primaries()) fill(object);
    await made.write(fleet({ a: drifted }, SMALL));
    made.world.resetCalls();
    await made.apply();
    const { result } = await made.apply();
    expect(result.outcomes.map(({ reason }) => reason)).toEqual([
      "weigh failed; nothing was stopped",
      "weigh failed; nothing was stopped",
    ]);
    const changed = made.world.log.filter(({ op }) => ["create", "stop", "start", "remove"].includes(op));
    expect(changed).toEqual([]);
  });

  it("is found out before anything stops although nobody could measure it, or excludes make it fit", async () => {
    await using made = await lab({ a: {} }, SMALL);
    const before = fill(made.primaries()[0]);
    await made.write(fleet({ a: drifted }, SMALL));
    made.world.inject({ op: "changes", effect: { kind: "fail", when: "before", as: "unreachable" } });
    made.world.resetCalls();
    await made.apply();
    expect(made.world.log.map(({ op }) => op)).not.toContain("stop");
    expect(standing(made)).toEqual([`${before} running`]);
    await made.write(fleet({ a: drifted }, { ...SMALL, exclude: ["**/.cache"] }));
    expect((await made.apply()).result.exit_code).toBe(0);
    expect(await kept(made)).toMatchObject([{ object_id: before, files: 2 }]);
  });

  it("rolls a replacement back", async () => {
    await using made = await lab();
    const id = fill(made.primaries()[0]);
    await made.write(fleet({ a: drifted }));
    made.world.inject({
      op: "salvage",
      times: 9,
      effect: { kind: "fail", when: "before", as: "unreachable" },
    });
    const { result } = await made.apply();
    expect(result).toMatchObject({
      exit_code: 5,
      outcomes: [{ status: "rolled_back", reason: "salvage failed; the old one runs on" }],
    });
    expect(standing(made)).toEqual([`${id} running`]);
  });

  it("keeps what was to be pruned running and awake", async () => {
    await using made = await lab();
    const id = fill(made.primaries()[0]);
    await made.apply();
    made.time.advance(25 * HOUR);
    made.world.inject({
      op: "salvage",
      times: 9,
      effect: { kind: "fail", when: "before", as: "unreachable" },
    });
    const { plan, result } = await made.apply();
    expect(plan.summary.remove).toBe(1);
    expect(result.exit_code).toBe(69);
    expect(standing(made)).toEqual([`${id} running`]);
    const after = await made.plan();
    expect([after.dormant, after.summary.remove]).toEqual([[], 0]);
  });

  it("is tried again where the engine only faltered, and blocks where it does not answer", async () => {
    await using made = await lab();
    const id = fill(made.primaries()[0]);
    await made.write(fleet({ b: {} }));
    made.world.inject({
      op: "salvage",
      times: 9,
      effect: { kind: "fail", when: "before", as: "unreachable" },
    });
    const { result } = await made.apply();
    expect(result.exit_code).toBe(69);
    expect(standing(made)).toContain(`${id} running`);
    made.world.clearFaults();
    made.world.inject({ op: "salvage", effect: { kind: "fail", when: "before", as: "transient" } });
    expect((await made.apply()).result.exit_code).toBe(0);
    expect(await kept(made)).toHaveLength(1);
  });
});
