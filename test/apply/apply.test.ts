import { describe, expect, it } from "vitest";
import { applyResultSchema } from "../../src/model/outcome.ts";
import { SandkeepError } from "../../src/errors.ts";
import type { ErrorClass } from "../../src/model/failure.ts";
import type { Fault } from "../../src/drivers/memory/faults.ts";
import { wish } from "../support/runtimes.ts";
import { Bench, brief } from "./applying.ts";

const a = wish({ address: "agent/a" });
const b = wish({ address: "agent/b" });
const changed = wish({ address: "agent/a", settings: { env: { A: "2" } } });

const fail = (
  op: NonNullable<Fault["op"]>,
  as: ErrorClass = "terminal",
  more: Partial<Fault> = {},
): Fault => ({
  op,
  effect: { kind: "fail", when: "before", as },
  ...more,
});

/** A bench on which `agent/a` stands. */
async function standing(): Promise<Bench> {
  const bench = new Bench();
  await bench.run({ desired: [a] });
  bench.world.resetCalls();
  return bench;
}

const refuse = async (): Promise<never> => {
  throw new SandkeepError("no", { code: "STATE_IO" });
};

describe("a plan that can be carried out", () => {
  it("is, step by step, and answered in its published form", async () => {
    const bench = new Bench();
    const result = await bench.run({ desired: [a, b] });
    expect(brief(result)).toEqual(["agent/a create done", "agent/b create done"]);
    expect(applyResultSchema.parse(result)).toEqual(result);
    expect(result).toMatchObject({ exit_code: 0, summary: { done: 2, failed: 0 } });
    expect(bench.names().toSorted()).toEqual([`${a.name} running`, `${b.name} running`].toSorted());
  });

  it("says what it does while it does it", async () => {
    const bench = new Bench();
    await bench.run({ desired: [a] });
    const types = bench.events.map(({ type }) => type);
    expect(types[0]).toBe("apply.started");
    expect(types.at(-1)).toBe("apply.finished");
    const steps = bench.events.flatMap((each) =>
      each.type === "step.finished" ? [`${each.op} ${each.status}`] : [],
    );
    expect(steps).toEqual(["create done", "start done", "verify done", "health done", "rename done"]);
  });

  it("writes intents before irreversible steps and results after them, and none for the others", async () => {
    const bench = new Bench();
    await bench.run({ desired: [a] });
    expect(bench.journal.map(({ op, phase }) => `${op} ${phase}`)).toEqual([
      "create intent",
      "create result",
      "rename intent",
      "rename result",
    ]);
  });

  it("does no irreversible step whose intent could not be written, nor any without the lease", async () => {
    const bench = new Bench();
    const journal = {
      intent: refuse,
      result: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    };
    expect(await bench.run({ desired: [a] }, { journal })).toMatchObject({ exit_code: 1 });
    expect(await bench.run({ desired: [a] }, { assertHeld: refuse })).toMatchObject({ exit_code: 1 });
    expect(bench.writes()).toEqual([]);
  });
});

describe("a step that fails", () => {
  it.each(["start", "exec", "health"] as const)(
    "%s of a first creation leaves nothing behind",
    async (op) => {
      const bench = new Bench();
      const desired = [wish({ settings: { setup: ["true"] } })];
      bench.world.inject(fail(op));
      const result = await bench.run({ desired });
      expect(brief(result)).toEqual(["agent/a create rolled_back"]);
      expect(result.exit_code).toBe(5);
      expect(bench.names()).toEqual([]);
    },
  );

  it("in a replacement brings the old one back: the new one goes first, then the old one starts", async () => {
    const bench = await standing();
    bench.world.inject(fail("health"));
    const result = await bench.run({ desired: [changed] });
    expect(brief(result)).toEqual(["agent/a recreate rolled_back"]);
    expect(result.outcomes[0]).toMatchObject({
      reason: "health failed; the old one runs on",
      error: { code: "MEMORY_FAILED" },
    });
    expect(bench.writes()).toEqual(["create", "stop", "start", "remove", "start"]);
    expect(bench.names()).toEqual([`${a.name} running`]);
  });

  it("whose compensation fails as well is a failure, not a rollback", async () => {
    const bench = await standing();
    bench.world.inject(fail("health"));
    bench.world.inject(fail("remove"));
    const result = await bench.run({ desired: [changed] });
    expect(brief(result)).toEqual(["agent/a recreate failed"]);
    expect(result.exit_code).toBe(1);
    expect(bench.names()).toEqual([`${a.name} running`, `${a.name}.new running`]);
  });

  it("skips what depends on it, and nothing else", async () => {
    const bench = new Bench();
    bench.world.inject(fail("create", "terminal", { matches: ({ subject }) => subject.startsWith(a.name) }));
    const result = await bench.run({ desired: [a, b] });
    expect(brief(result)).toEqual(["agent/a create failed", "agent/b create done"]);
    expect(result.exit_code).toBe(1);
    expect(bench.names()).toEqual([`${b.name} running`]);
  });

  it("that fetches fails the changes that wait for the image, and no others", async () => {
    const bench = new Bench({ images: { "img:a": "1" } });
    bench.world.machine().images.clear();
    bench.world.inject(fail("fetch"));
    const needs = { ...a, ...wish({ settings: { options: { image: "img:a" } } }) };
    const images = [
      {
        backend: "memory",
        host: "local",
        ref: "img:a",
        policy: "missing",
        state: { status: "absent" as const },
      },
    ];
    const result = await bench.run({ desired: [needs, b], images });
    expect(brief(result)).toEqual(["agent/a create failed", "agent/b create done"]);
    expect(bench.writes().filter((op) => op === "fetch")).toHaveLength(1);
  });

  it.each<[ErrorClass, number]>([
    ["terminal", 1],
    ["denied", 1],
    ["not-found", 1],
    ["unreachable", 69],
  ])("with a %s error is not tried again, and exits with %i", async (kind, code) => {
    const bench = new Bench();
    bench.world.inject(fail("create", kind));
    const result = await bench.run({ desired: [a] });
    expect(bench.writes().filter((op) => op === "create")).toHaveLength(1);
    expect(result.exit_code).toBe(code);
  });

  it("for a passing reason is tried again, three times in all", async () => {
    const bench = new Bench();
    bench.world.inject(fail("start", "transient", { times: 2 }));
    expect(await bench.run({ desired: [a] })).toMatchObject({ exit_code: 0 });
    expect(bench.writes().filter((op) => op === "start")).toHaveLength(3);
    const other = new Bench();
    other.world.inject(fail("start", "transient", { times: 3 }));
    expect(await other.run({ desired: [a] })).toMatchObject({ exit_code: 5 });
  });

  it("says what its engine does not enforce", async () => {
    const bench = new Bench();
    bench.world.inject({
      op: "start",
      effect: {
        kind: "hook",
        when: "after",
        run: () => bench.world.changeBehind(`${a.name}.new`, "memory.network", "host"),
      },
    });
    const result = await bench.run({ desired: [a] });
    expect(result).toMatchObject({
      exit_code: 5,
      outcomes: [{ status: "rolled_back", error: { code: "NOT_ENFORCED" } }],
    });
    expect(result.outcomes[0]?.error?.message).toContain("memory.network");
  });
});

describe("a creation", () => {
  it("whose answer was lost finds its own work", async () => {
    const bench = new Bench();
    bench.world.inject({ op: "create", effect: { kind: "lost" } });
    const result = await bench.run({ desired: [a] });
    expect(brief(result)).toEqual(["agent/a create done"]);
    expect(bench.writes().filter((op) => op === "create")).toHaveLength(1);
  });

  it("whose answer was lost while nothing could be looked up is stale at worst, and mended by the next apply", async () => {
    const bench = new Bench();
    const plan = await bench.plan({ desired: [a] });
    bench.world.inject({ op: "create", effect: { kind: "lost" } });
    bench.world.inject(fail("observe", "unreachable"));
    await bench.apply(plan);
    expect(await bench.run({ desired: [a] })).toMatchObject({ exit_code: 0 });
    expect(bench.names()).toEqual([`${a.name} running`]);
  });

  it("that finds its name taken is stale, and touches nothing of the other's", async () => {
    const bench = new Bench();
    const plan = await bench.plan({ desired: [a] });
    bench.world.addForeign(`${a.name}.new`);
    const result = await bench.apply(plan);
    expect(brief(result)).toEqual(["agent/a create stale"]);
    expect(result.exit_code).toBe(4);
    expect(bench.names()).toEqual([`${a.name}.new running`]);
  });
});

const useOf = async () => ({ open: true, last: -1 });

const lockAddress = async (): Promise<never> => {
  throw new SandkeepError("busy", { code: "ADDRESS_BUSY", kind: "transient" });
};

describe("what was found otherwise than planned", () => {
  it.each<[string, (bench: Bench) => void, string]>([
    ["removed", (bench) => bench.world.removeBehind(a.name), "it was removed since the plan"],
    [
      "changed",
      (bench) => bench.world.changeBehind(a.name, "memory.cpus", 9),
      "it was changed since the plan",
    ],
    ["stopped", (bench) => bench.world.stopBehind(a.name), "it was changed since the plan"],
  ])("%s: the change is stale, and only its own making is taken away", async (_title, disturb, reason) => {
    const bench = await standing();
    const plan = await bench.plan({ desired: [changed] });
    disturb(bench);
    const before = bench.names();
    const result = await bench.apply(plan);
    expect(result).toMatchObject({ exit_code: 4, outcomes: [{ status: "stale", reason }] });
    expect(bench.names()).toEqual(before);
    expect(bench.writes()).toEqual(["create", "remove"]);
  });

  it("in use since: stale, unless a person named it", async () => {
    const bench = await standing();
    const stale = await bench.run({ desired: [changed] }, { useOf });
    expect(stale).toMatchObject({ exit_code: 4, outcomes: [{ reason: "it came into use since the plan" }] });
    const named = await bench.run(
      { desired: [a], intent: { mode: "recreate", targets: ["agent/a"] } },
      { useOf },
    );
    expect(brief(named)).toEqual(["agent/a recreate done"]);
  });

  it("a run that just begins: put off", async () => {
    const bench = await standing();
    const result = await bench.run({ desired: [changed] }, { lockAddress });
    expect(result).toMatchObject({ exit_code: 0, outcomes: [{ status: "skipped" }] });
    expect(bench.names()).toEqual([`${a.name} running`]);
  });

  it("keeps everybody else from the address until the successor has its name, and no longer", async () => {
    const bench = await standing();
    const plan = await bench.plan({ desired: [changed] });
    let held = false;
    const seen: string[] = [];
    const guarded = async () => {
      held = true;
      return { [Symbol.asyncDispose]: async () => void (held = false) };
    };
    const module = bench.module;
    const driver = await bench.open();
    const watched = new Proxy(driver, {
      get(target, key, receiver) {
        const method: unknown = Reflect.get(target, key, receiver);
        if (typeof method !== "function" || !["stop", "rename", "remove"].includes(String(key)))
          return method;
        return (...args: unknown[]): unknown => {
          seen.push(`${String(key)} ${held ? "held" : "free"}`);
          return Reflect.apply(method, target, args);
        };
      },
    });
    const drivers = new Map([["memory@local", watched]]);
    const result = await bench.apply(plan, { lockAddress: guarded, drivers, modules: { memory: module } });
    expect(brief(result)).toEqual(["agent/a recreate done"]);
    expect(seen).toEqual(["stop held", "rename held", "rename held", "remove free"]);
    expect(held).toBe(false);
  });

  it("keeps nobody from the address while it only looks how what was changed in place goes on", async () => {
    const small = wish({ settings: { options: { memory: 1 } } });
    const bench = new Bench();
    await bench.run({ desired: [small] });
    let held = false;
    const seen: string[] = [];
    bench.world.healthScript = () => {
      seen.push(`health ${held ? "held" : "free"}`);
      return {};
    };
    bench.world.inject({
      op: "update",
      effect: { kind: "hook", when: "before", run: () => void seen.push(`update ${held ? "held" : "free"}`) },
    });
    const guarded = async () => {
      held = true;
      return { [Symbol.asyncDispose]: async () => void (held = false) };
    };
    const large = wish({ settings: { options: { memory: 2 } } });
    const result = await bench.run({ desired: [large] }, { lockAddress: guarded });
    expect(brief(result)).toEqual(["agent/a update done"]);
    expect([...new Set(seen)]).toEqual(["update held", "health free"]);
  });

  it("held since, told stale, or interrupted: not begun", async () => {
    const bench = new Bench();
    const plan = await bench.plan({ desired: [a] });
    expect(await bench.apply(plan, { heldNow: async () => "mine" })).toMatchObject({
      exit_code: 4,
      outcomes: [{ status: "stale", reason: "held since the plan: mine" }],
    });
    const [change] = plan.changes;
    if (change === undefined) throw new Error("no change");
    expect(await bench.apply(plan, { stale: new Map([[change, "gone"]]) })).toMatchObject({ exit_code: 4 });
    expect(await bench.apply(plan, { signal: AbortSignal.abort() })).toMatchObject({
      exit_code: 130,
      outcomes: [{ status: "skipped" }],
    });
    expect(bench.writes()).toEqual([]);
  });

  it("its engine not connected: unreachable", async () => {
    const bench = new Bench();
    expect(await bench.run({ desired: [a] }, { drivers: new Map() })).toMatchObject({
      exit_code: 69,
      outcomes: [{ status: "failed", error: { code: "ENGINE_NOT_OPEN" } }],
    });
  });
});

describe("the labels of what is created", () => {
  it("carry the plan's hash, spec, fingerprints and owner, verbatim", async () => {
    const bench = new Bench();
    const plan = await bench.plan({ desired: [a], fingerprints: { TOKEN: "k:1" } });
    await bench.apply(plan);
    const labels = bench.world.find(a.name).decoded;
    expect(labels).toMatchObject({
      fleet: "team",
      fleet_id: "k3v9q2",
      address: "agent/a",
      name: a.name,
      agent: "a",
      role: "primary",
      spec_hash: a.spec_hash,
      spec: { kind: "sandbox", backend: "memory", values: a.spec.values },
      secrets: { TOKEN: "k:1" },
      protect: false,
    });
    expect(labels?.candidate_until).toBeGreaterThan(bench.now);
  });

  it("follow an update where labels can change", async () => {
    const bench = new Bench({ lifecycle: "directory" });
    const before = wish({ module: bench.module });
    const after = wish({ module: bench.module, settings: { env: { A: "2" }, protect: true } });
    await bench.run({ desired: [before] });
    expect(brief(await bench.run({ desired: [after] }))).toEqual(["agent/a update done"]);
    expect(bench.world.find(a.name).decoded).toMatchObject({
      spec: { values: after.spec.values },
      protect: true,
    });
  });

  it("are refused to be made of a damaged plan", async () => {
    const bench = new Bench();
    const plan = await bench.plan({ desired: [a] });
    expect(await bench.apply({ ...plan, specs: {} })).toMatchObject({
      exit_code: 1,
      outcomes: [{ error: { code: "PLAN_DAMAGED" } }],
    });
    const changes = plan.changes.map((each) => ({ ...each, hashes: { before: null, after: "v1:none" } }));
    expect(await bench.apply({ ...plan, changes })).toMatchObject({
      outcomes: [{ error: { code: "PLAN_DAMAGED" } }],
    });
    expect(bench.writes()).toEqual([]);
  });
});
