// The contract of src/drivers/driver.ts as tests: one suite for every driver, asserting what the driver itself declares.
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Parser } from "tar";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unenforced } from "../../src/diff/fields.ts";
import type { Driver, DriverEvent } from "../../src/drivers/driver.ts";
import { slotOf } from "../../src/model/names.ts";
import { equalJson, getPath } from "../../src/util/json-path.ts";
import type { Cases, ContractHarness, MadeRuntime } from "./harness.ts";
import { execCases } from "./exec-contract.ts";
import { inventoryCases } from "./inventory-contract.ts";
import { networkCases } from "./network-contract.ts";
import { Fleet, KEPT, complete, exec, listTar, sampleTar, until } from "./harness.ts";

const MUTATING = [
  "fetch",
  "create",
  "start",
  "stop",
  "update",
  "rename",
  "remove",
  "mark",
  "exec",
  "attest",
  "putFiles",
] as const;

export function describeDriverContract(title: string, makeHarness: () => Promise<ContractHarness>): void {
  describe(title, () => {
    let harness: ContractHarness;
    let driver: Driver;
    beforeAll(async () => {
      harness = await makeHarness();
      driver = await harness.module.open(harness.host, harness.deps);
    });
    afterAll(async () => {
      await driver?.[Symbol.asyncDispose]();
      await harness?.[Symbol.asyncDispose]();
    });
    const cases = { fleet: () => new Fleet(harness, driver), harness: () => harness, driver: () => driver };
    describe("creating and removing", () => lifecycleCases(cases));
    describe("observing", () => observeCases(cases));
    describe("running commands", () => execCases(cases));
    describe("networks", () => networkCases(cases));
    describe("updating and files", () => changeCases(cases));
    describe("taking stock", () => inventoryCases(cases));
    describe("events", () => eventCases(cases));
  });
}

function lifecycleCases({ fleet, harness, driver }: Cases): void {
  const isProcess = (): boolean => harness().module.capabilities.lifecycle === "process";

  it("lets exactly one of 20 concurrent creates of a name win; the others are conflicts", async () => {
    await using mine = fleet();
    const spec = await mine.spec();
    const labels = mine.labels("a", spec);
    const tries = Array.from({ length: 20 }, () => driver().create({ name: labels.name, labels, spec }));
    const settled = await Promise.allSettled(tries);
    expect(settled.filter((each) => each.status === "fulfilled")).toHaveLength(1);
    for (const each of settled) {
      if (each.status === "rejected") expect(each.reason).toMatchObject({ kind: "conflict" });
    }
    const winner = settled.find((each) => each.status === "fulfilled");
    expect((await mine.only()).object_id).toBe(winner?.value.objectId);
  });

  it("goes created, running, stopped, running; each call twice changes nothing more", async () => {
    await using mine = fleet();
    const spec = await mine.spec();
    const labels = mine.labels("a", spec);
    const { objectId } = await driver().create({ name: labels.name, labels, spec });
    expect((await mine.only()).state).toBe(isProcess() ? "created" : "running");
    for (const [call, state] of [
      ["start", "running"],
      ["stop", isProcess() ? "stopped" : "running"],
      ["start", "running"],
    ] as const) {
      await driver()[call](objectId);
      await driver()[call](objectId);
      const seen = await driver().inspect(objectId);
      expect([call, seen?.state]).toEqual([call, state]);
    }
  });

  it("removes by id, twice without complaint, and the name is free again", async () => {
    await using mine = fleet();
    const first = await mine.run("a");
    await driver().remove(first.objectId, "delete");
    await driver().remove(first.objectId, "delete");
    expect((await mine.observe()).runtimes).toEqual([]);
    expect(await driver().inspect(first.objectId)).toBeUndefined();
    expect((await driver().health(first.objectId)).state).toBe("missing");
    const second = await mine.run("a");
    expect(second.objectId).not.toBe(first.objectId);
    await driver().remove(first.objectId, "delete");
    expect((await mine.only()).object_id).toBe(second.objectId);
  });

  it("renames, also a running one, without changing its id or labels; a taken name is a conflict", async () => {
    await using mine = fleet();
    const a = await mine.run("a");
    const b = await mine.run("b");
    await driver().rename(a.objectId, `${a.name}.old`);
    await driver().rename(a.objectId, `${a.name}.old`);
    const renamed = await driver().inspect(a.objectId);
    expect(renamed).toMatchObject({ name: `${a.name}.old`, labels: a.labels, state: "running" });
    expect(slotOf(renamed?.name ?? "", a.labels.name)).toBe("old");
    await expect(driver().rename(b.objectId, `${a.name}.old`)).rejects.toMatchObject({ kind: "conflict" });
    expect((await driver().inspect(b.objectId))?.name).toBe(b.name);
    await driver().rename(b.objectId, a.name);
    expect((await driver().inspect(b.objectId))?.name).toBe(a.name);
  });

  it("says not-found where an object is gone", async () => {
    await using mine = fleet();
    const gone = await mine.run("a");
    await driver().remove(gone.objectId, "delete");
    await expect(driver().start(gone.objectId)).rejects.toMatchObject({ kind: "not-found" });
    await expect(driver().rename(gone.objectId, `${gone.name}.old`)).rejects.toMatchObject({
      kind: "not-found",
    });
    const ran = exec(driver(), gone.objectId, harness().commands.exit(0));
    await expect(ran).rejects.toMatchObject({ kind: "not-found" });
  });

  it("forgets an address twice without complaint, and not its mark", () =>
    forgets({ fleet, harness, driver }));

  it("keeps the workspace source untouched by removal, kept or deleted", async () => {
    await using mine = fleet();
    for (const workspace of ["keep", "delete"] as const) {
      const source = await harness().source();
      const spec = await mine.spec();
      const values = {
        ...spec.values,
        workspace: { ...objectAt(spec.values, "workspace"), source: source.path },
      };
      const labels = mine.labels(`w${workspace}`, { ...spec, values });
      const { objectId } = await driver().create({ name: labels.name, labels, spec: { ...spec, values } });
      await driver().start(objectId);
      await driver().remove(objectId, workspace);
      expect(await source.keeps()).toBe(KEPT);
    }
  });
}

async function forgets({ fleet, harness, driver }: Cases): Promise<void> {
  await using mine = fleet();
  const address = "agent/work";
  await driver().mark(mine.scope(), address, { since: 1, reason: "idle" });
  const { objectId } = await mine.run("work");
  await driver().remove(objectId, "keep");
  await driver().forget(mine.scope(), address);
  await driver().forget(mine.scope(), address);
  await using reader = await harness().module.openReader(harness().host, harness().deps);
  expect(complete(await reader.observe(mine.scope())).dormant).toMatchObject([{ address }]);
}

function objectAt(values: Parameters<typeof getPath>[0], path: string): object {
  const value = getPath(values, path);
  return typeof value === "object" && value !== null ? value : {};
}

function observeCases({ fleet, harness, driver }: Cases): void {
  it("gives labels, name and slot back as they were written", async () => {
    await using mine = fleet();
    const spec = await mine.spec();
    const labels = mine.labels("a", spec);
    await driver().create({ name: `${labels.name}.new`, labels, spec });
    const seen = await mine.only();
    expect(seen.labels).toEqual(labels);
    expect(seen.name).toBe(`${labels.name}.new`);
    expect(await driver().inspect(seen.object_id)).toEqual(seen);
  });

  it("shows no drift right after creation, in any observable field of any spec", async () => {
    const { module, variants } = harness();
    const every = {
      plain: {},
      "no access": { access: "none" },
      "read-only": { access: "ro" },
      ...variants,
    } as const;
    await using mine = fleet();
    const drift: Record<string, unknown> = {};
    for (const [n, [what, input]] of Object.entries(every).entries()) {
      if (!mine.accepts(input)) continue;
      const made = await mine.run(`v${n}`, input);
      const seen = await driver().inspect(made.objectId);
      if (seen === undefined) throw new Error(`${what} is not there`);
      const rows = module.fields.map((row) => row.path);
      const strange = Object.keys(seen.fields).filter((path) => !rows.includes(path));
      const wrong = unenforced(made.spec, seen, module.fields);
      for (const path of [...wrong.map((each) => each.path), ...strange]) {
        drift[`${what}: ${path}`] = { seen: seen.fields[path], asked: getPath(made.spec.values, path) };
      }
    }
    expect(drift).toEqual({});
  });

  it("finds every promise of any spec kept when it looks from inside, which changes and is nothing", async () => {
    const every = { plain: {}, "read-only": { access: "ro" }, ...harness().variants } as const;
    await using mine = fleet();
    const broken: Record<string, unknown> = {};
    for (const [n, [what, input]] of Object.entries(every).entries()) {
      if (!mine.accepts(input)) continue;
      const made = await mine.run(`i${n}`, input);
      const before = await driver().inspect(made.objectId);
      for (const check of await driver().attest(made.objectId, made.spec)) {
        expect(harness().module.fields.some(({ path }) => check.path.startsWith(path))).toBe(true);
        if (check.status !== "held") broken[`${what}: ${check.path}`] = check;
      }
      expect(await driver().inspect(made.objectId)).toEqual(before);
    }
    expect(broken).toEqual({});
  });

  it("reports who holds a wanted name, and never counts it as ours", async () => {
    await using mine = fleet();
    const [taken, candidate] = [mine.runtimeName("a"), `${mine.runtimeName("b")}.new`];
    await using first = await harness().behind.foreign(taken, mine.name);
    await using second = await harness().behind.foreign(candidate, mine.name);
    expect([first, second]).toHaveLength(2);
    const { runtimes, foreign } = await mine.observe({ names: [taken, mine.runtimeName("b")] });
    expect(runtimes).toEqual([]);
    expect(foreign.map((each) => each.name).toSorted()).toEqual([taken, candidate].toSorted());
    for (const each of foreign) expect(each.why).not.toBe("");
    const spec = await mine.spec();
    const create = driver().create({ name: taken, labels: mine.labels("a", spec), spec });
    await expect(create).rejects.toMatchObject({ kind: "conflict" });
  });

  it("reports who stands in the way of a runtime that no config names", async () => {
    await using mine = fleet();
    const { name } = await mine.run("a");
    await using holder = await harness().behind.foreign(`${name}.old`, mine.name);
    expect(holder).toBeDefined();
    const { foreign } = await mine.observe({ names: [] });
    expect(foreign.map((each) => each.name)).toEqual([`${name}.old`]);
  });

  it("never takes another fleet's runtimes for ours, nor those of the same name with another id", async () => {
    await using mine = fleet();
    await using other = fleet();
    await using namesake = new Fleet(harness(), driver(), mine.name);
    const a = await mine.run("a");
    await other.run("a");
    const c = await namesake.run("c");
    const seen = await mine.observe({ names: [c.name] });
    expect(seen.runtimes.map((each) => each.object_id)).toEqual([a.objectId]);
    const why = `it belongs to another fleet of the name "${mine.name}" (fleet_id ${namesake.id})`;
    expect(seen.foreign).toContainEqual({ name: c.name, object_id: c.objectId, why });
    const unnamed = complete(await driver().observe({ fleet: mine.name, names: [] }));
    expect(unnamed.runtimes).toHaveLength(2);
  });

  it("looks only at the addresses asked for", async () => {
    await using mine = fleet();
    await mine.run("a");
    const b = await mine.run("b");
    const { runtimes } = await mine.observe({ addresses: [b.labels.address] });
    expect(runtimes.map((each) => each.labels.address)).toEqual([b.labels.address]);
  });

  it("sees what others removed", async () => {
    await using mine = fleet();
    const a = await mine.run("a");
    const b = await mine.run("b");
    await harness().behind.remove(a);
    expect((await mine.only()).object_id).toBe(b.objectId);
    expect(await driver().inspect(a.objectId)).toBeUndefined();
  });

  it("tells how long a runtime has been running", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const before = await driver().health(objectId);
    await sleep(50);
    const after = await driver().health(objectId);
    expect(after).toMatchObject({ state: "running", health: "none" });
    expect(after.running_ms).toBeGreaterThan(before.running_ms);
    expect(after.running_ms - before.running_ms).toBeLessThan(30_000);
  });

  it("keeps dormancy marks where every process sees them", async () => {
    await using mine = fleet();
    const mark = { since: 1_700_000_000_000, reason: 'idle for 24h "quoted"' };
    const address = "session/agent:work:pr-12";
    for (const _ of ["made", "there"]) await driver().mark(mine.scope(), address, mark);
    await using another = await harness().module.openReader(harness().host, harness().deps);
    expect(complete(await another.observe(mine.scope())).dormant).toEqual([{ address, ...mark }]);
    expect(complete(await another.observe({ ...mine.scope(), fleet: `${mine.name}x` })).dormant).toEqual([]);
    const byName = { fleet: mine.name, names: [], addresses: [address] };
    expect(complete(await another.observe(byName)).dormant).toEqual([{ address, ...mark }]);
    for (const _ of ["there", "gone"]) await driver().mark(mine.scope(), address, undefined);
    expect((await mine.observe()).dormant).toEqual([]);
  });

  it("opens readers that have nothing to change things with", async () => {
    await using reader = await harness().module.openReader(harness().host, harness().deps);
    const members = new Set<string>();
    for (
      let at: object | null = reader;
      at !== null && at !== Object.prototype;
      at = Object.getPrototypeOf(at)
    ) {
      for (const key of Object.getOwnPropertyNames(at)) members.add(key);
    }
    expect(MUTATING.filter((method) => members.has(method))).toEqual([]);
    expect(members.has("observe")).toBe(true);
  });

  it("probes a working engine as ready, or says what is missing and how to fix it", async () => {
    const probe = await driver().probe();
    expect(probe.status).not.toBe("unavailable");
    if (probe.status !== "ready") {
      for (const { code, message, fix } of probe.reasons) {
        expect(code).toMatch(/^[a-z0-9-]+$/);
        expect(message).not.toBe("");
        expect(fix).not.toBe("");
      }
    }
  });

  it("answers 'unobserved' when the engine is away, never an empty list", async () => {
    await using mine = fleet();
    await using away = await harness().unreachable(mine.name);
    const seen = await away.observe(mine.scope());
    expect(seen.status).toBe("unobserved");
    if (seen.status === "unobserved") {
      expect(seen.backend).toBe(harness().module.backend);
      expect(seen.message).not.toBe("");
    }
  });
}

function changeCases({ fleet, harness, driver }: Cases): void {
  it("changes every live field in place: same object, new value, still running", async () => {
    await using mine = fleet();
    let n = 0;
    for (const { path, from, to } of harness().live) {
      n += 1;
      const row = harness().module.fields.find((each) => each.path === path);
      const made = await mine.run(`u${n}`, from);
      const next = await mine.spec(to);
      const after = getPath(next.values, path);
      expect([path, row?.classify(getPath(made.spec.values, path), after)]).toEqual([path, "live"]);
      const labels = {
        ...made.labels,
        spec: { kind: next.kind, backend: next.backend, values: next.values },
      };
      const update = { objectId: made.objectId, spec: next, paths: [path], labels };
      await driver().update(update);
      await driver().update(update);
      const seen = await driver().inspect(made.objectId);
      expect({ path, state: seen?.state, same: equalJson(seen?.fields[path], after) }).toEqual({
        path,
        state: "running",
        same: true,
      });
    }
  });

  it("puts files and gets them back: content, modes, links, odd names", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    await driver().putFiles(objectId, "/workspace", await sampleTar());
    const listed = await listTar(await driver().getFiles(objectId, "/workspace"));
    // The sample's names start with `./`, one part, where those of `getFiles` start with the folder's name.
    const expected = await listTar(await sampleTar());
    expect(listed.filter((line) => !line.includes("keep.txt"))).toEqual(expected);
    const one = await listTar(await driver().getFiles(objectId, "/workspace/bin"));
    expect(one).toEqual(["f 755 17 tool "]);
  });

  it("tells what a removal would destroy, and hands it out, running or not", () =>
    salvages({ fleet, harness, driver }));

  it("counts no workspace that stays among what a removal destroys", async (context) => {
    context.skip(!harness().module.capabilities.changes, "this backend cannot tell");
    await using mine = fleet();
    const { objectId } = await mine.run("a", { access: "rw" });
    await driver().putFiles(objectId, "/workspace", await sampleTar());
    expect(await driver().changes?.(objectId, "keep")).toMatchObject({ files: 0, paths: [] });
    const source = await driver().salvage?.(objectId, "keep");
    for (const { path } of source?.parts ?? [])
      expect(await listTar((await source?.open(path, () => true)) ?? Readable.from([]))).toEqual([]);
  });

  it("says not-found for files that are not there", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const get = driver().getFiles(objectId, "/workspace/nowhere");
    await expect(get).rejects.toMatchObject({ kind: "not-found" });
  });
}

async function salvages({ fleet, harness, driver }: Cases): Promise<void> {
  if (!harness().module.capabilities.changes) {
    expect(["changes", "salvage"].filter((method) => method in driver())).toEqual([]);
    return;
  }
  await using mine = fleet();
  const { objectId } = await mine.run("a", { access: "none" });
  const nothing = { bytes: 0, files: 0, deleted: 0, paths: [], more: false };
  expect(await driver().changes?.(objectId, "keep")).toEqual(nothing);
  await driver().putFiles(objectId, "/workspace", await sampleTar());
  const expected = await listTar(await sampleTar());
  for (const state of ["running", "stopped"]) {
    if (state === "stopped") await driver().stop(objectId);
    const told = await driver().changes?.(objectId, "keep");
    expect([state, told]).toMatchObject([state, { bytes: 70_017, files: 4, deleted: 0, more: false }]);
    expect(told?.paths.every((path) => path.startsWith("/workspace"))).toBe(true);
    const source = await driver().salvage?.(objectId, "keep");
    expect(source?.deleted).toEqual([]);
    const listed: string[] = [];
    for (const { path } of source?.parts ?? []) {
      const found = await listTar((await source?.open(path, () => true)) ?? Readable.from([]));
      if (found.length > 0) expect(path).toBe("/workspace");
      listed.push(...found);
    }
    expect(listed).toEqual(expected);
    const tool = await source?.open("/workspace/bin/tool", () => true);
    expect(await entriesOf(tool)).toEqual(["tool"]);
  }
  await driver().remove(objectId, "keep");
  expect(await driver().changes?.(objectId, "keep")).toBeUndefined();
  expect(await driver().salvage?.(objectId, "keep")).toBeUndefined();
}

async function entriesOf(tar: Readable | undefined): Promise<readonly string[]> {
  const names: string[] = [];
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry) => {
      names.push(entry.path);
      entry.resume();
    },
  });
  for await (const chunk of tar ?? []) parser.write(Buffer.from(chunk));
  return names;
}

function eventCases({ fleet, harness, driver }: Cases): void {
  it("reports what others do once subscribed, and ends when aborted", async (context) => {
    context.skip(!harness().module.capabilities.events, "this backend has no events");
    await using mine = fleet();
    const made = await mine.run("a");
    const abort = new AbortController();
    const heard: DriverEvent[] = [];
    const events = await driver().events(mine.scope(), abort.signal);
    const listening = (async () => {
      for await (const event of events) heard.push(event);
    })();
    await harness().behind.remove(made);
    await until(() => heard.some((event) => concerns(event, made)), "an event about the removal");
    abort.abort();
    await listening;
  });

  it("ends at once when aborted before anything happened", async (context) => {
    context.skip(!harness().module.capabilities.events, "this backend has no events");
    await using mine = fleet();
    const abort = new AbortController();
    const events = await driver().events(mine.scope(), abort.signal);
    setTimeout(() => abort.abort(), 20);
    const heard: DriverEvent[] = [];
    for await (const event of events) heard.push(event);
    expect(heard.filter((event) => event.kind === "changed")).toEqual([]);
  });

  it("tells nothing about other fleets", async (context) => {
    context.skip(!harness().module.capabilities.events, "this backend has no events");
    await using mine = fleet();
    await using other = fleet();
    const abort = new AbortController();
    const heard: DriverEvent[] = [];
    const events = await driver().events(mine.scope(), abort.signal);
    const listening = (async () => {
      for await (const event of events) heard.push(event);
    })();
    await other.run("a");
    const made = await mine.run("b");
    await until(() => heard.some((event) => concerns(event, made)), "an event of our own");
    abort.abort();
    await listening;
    expect(heard.filter((event) => event.kind === "changed" && event.address === "agent/a")).toEqual([]);
  });
}

/** A gap says that everything must be looked at again, and so covers any change. */
function concerns(event: DriverEvent, made: MadeRuntime): boolean {
  return event.kind === "gap" || event.address === made.labels.address;
}
