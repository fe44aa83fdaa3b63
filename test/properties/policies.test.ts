import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { worstExitCode } from "../../src/plan/exit-code.ts";
import { openRun } from "../../src/state/open-runs.ts";
import { readSightings } from "../../src/state/sightings.ts";
import { HOUR, Lab, MINUTE, REMOTE, acting, occupy, plant, portrait, runs } from "../support/memory-fleet.ts";

const sandbox = { backend: "docker", docker: { image: "img:a" } };
const moved = { docker: { network: "bridge" } };
const named = (names: readonly string[], agent: object = {}): Record<string, object> =>
  Object.fromEntries(names.map((name) => [name, agent]));

describe("guards.max_destroy", () => {
  it("stops every removal of orphans when there are more than it allows, and none otherwise", async () => {
    const sizes = fc.record({
      orphans: fc.nat({ max: 4 }),
      max: fc.nat({ max: 4 }),
      said: fc.option(fc.nat({ max: 4 })),
    });
    await fc.assert(
      fc.asyncProperty(sizes, async ({ orphans, max, said }) => {
        await using lab = new Lab();
        const gone = ["o1", "o2", "o3", "o4"].slice(0, orphans);
        await lab.write({ sandbox, agents: named(["a", ...gone]) });
        await lab.apply();
        await lab.write({ sandbox, agents: named(["a", "b"]), guards: { max_destroy: max } });
        const request = said === null ? {} : { max_destroy: said };
        const { plan, result } = await lab.apply(request);
        const stopped = orphans > (said ?? max);
        expect(plan.blocked.map(({ rule }) => rule)).toEqual(stopped ? gone.map(() => "guard") : []);
        expect(lab.objects()).toHaveLength(2 + (stopped ? orphans : 0));
        expect(result.exit_code).toBe(stopped ? 3 : 0);
      }),
      { numRuns: runs(25) },
    );
  });

  it("does not count what a person destroys, what is replaced, and what is idle", async () => {
    await using lab = new Lab();
    const guards = { max_destroy: 0 };
    await lab.write({ sandbox, guards, agents: named(["a", "b"]) });
    await lab.apply();
    await lab.write({
      sandbox: { ...sandbox, docker: { image: "img:a", network: "bridge" } },
      guards,
      agents: named(["a", "b"]),
    });
    expect((await lab.apply()).plan.summary.recreate).toBe(2);
    await lab.apply();
    lab.time.advance(25 * HOUR);
    expect((await lab.apply()).result.summary.done).toBe(2);
    expect(lab.objects()).toEqual([]);
    await lab.apply({ intent: { mode: "apply", wake: ["agent/a"] } });
    expect((await lab.intent({ mode: "destroy", unprotect: false })).result.exit_code).toBe(0);
    expect(lab.objects()).toEqual([]);
  });
});

describe("a config without agents", () => {
  it.each([
    [false, 3, 2],
    [true, 0, 0],
  ])("removes all only where allow_empty = %s says so (exit %i)", async (allow_empty, code, left) => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: named(["a", "b"]) });
    await lab.apply();
    await lab.write({ sandbox, agents: {}, guards: { allow_empty } });
    expect((await lab.apply()).result.exit_code).toBe(code);
    expect(lab.objects()).toHaveLength(left);
  });
});

describe("the exit code of several outcomes", () => {
  it("is the first that applies of 70, 1, 5, 4, 3, 69, 75, 2, 0", () => {
    const order = [70, 1, 5, 4, 3, 69, 75, 2, 0];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...order)), (codes) => {
        expect(worstExitCode(codes)).toBe(order.find((code) => codes.includes(code)) ?? 0);
      }),
    );
  });
});

describe("an engine that cannot be observed", () => {
  it("is left alone, while the others are put right", async () => {
    await using lab = new Lab();
    const before = {
      sandbox,
      hosts: REMOTE,
      agents: { a: {}, b: { sandbox: { host: "b1" } }, old: { sandbox: { host: "b1" } } },
    };
    await lab.write(before);
    await lab.apply();
    const agents = {
      a: { sandbox: moved },
      b: { sandbox: { host: "b1", ...moved } },
      c: { sandbox: { host: "b1" } },
    };
    await lab.write({ ...before, agents });
    lab.world.machine("b1").reachable = false;
    const away = [...lab.world.machine("b1").objects.values()].map((each) => portrait(each));
    const plan = await lab.plan({ detailed_exitcode: true });
    expect(plan).toMatchObject({
      complete: false,
      exit_code: 69,
      summary: { recreate: 1, create: 0, remove: 0 },
    });
    expect(plan.changes.map(({ address }) => address)).toEqual(["agent/a"]);
    expect(plan.observed).toContainEqual(expect.objectContaining({ host: "b1", status: "unobserved" }));
    const { result } = await lab.apply();
    expect(result).toMatchObject({ exit_code: 69, outcomes: [{ address: "agent/a", status: "done" }] });
    expect([...lab.world.machine("b1").objects.values()].map((each) => portrait(each))).toEqual(away);
    lab.world.machine("b1").reachable = true;
    expect((await lab.apply()).result.exit_code).toBe(0);
    expect(acting(await lab.plan())).toEqual([]);
  });

  it("neither makes forget nor keeps from learning when the others were first seen", async () => {
    await using lab = new Lab();
    const agents = { a: {}, b: { sandbox: { host: "b1" } } };
    await lab.write({ sandbox, hosts: REMOTE, agents });
    await lab.apply();
    await lab.apply();
    const known = await readSightings(lab.state());
    expect(Object.keys(known)).toHaveLength(2);
    lab.world.machine("b1").reachable = false;
    await lab.write({ sandbox, hosts: REMOTE, agents: { ...agents, c: {} } });
    await lab.apply();
    await lab.apply();
    const later = await readSightings(lab.state());
    expect(later).toMatchObject(known);
    expect(Object.keys(later)).toHaveLength(3);
  });

  it("that fails in the middle fails its own changes only", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox, hosts: REMOTE, agents: { a: {}, b: { sandbox: { host: "b1" } } } });
    const down = (): void => {
      lab.world.machine("b1").reachable = false;
    };
    lab.world.inject({
      op: "create",
      matches: ({ host }) => host === "b1",
      effect: { kind: "hook", when: "after", run: down },
    });
    const { result } = await lab.apply();
    expect(result.exit_code).toBe(69);
    expect(result.outcomes).toMatchObject([
      { address: "agent/a", status: "done" },
      { address: "agent/b", status: "failed" },
    ]);
    lab.world.machine("b1").reachable = true;
    expect((await lab.apply()).result.exit_code).toBe(0);
    expect(acting(await lab.plan())).toEqual([]);
  });
});

async function used(disruption: object): Promise<{ lab: Lab; end: () => void; id: string }> {
  const lab = new Lab();
  await lab.write({ sandbox: { ...sandbox, disruption }, agents: { a: {} } });
  await lab.apply();
  const [object] = lab.objects();
  if (object === undefined) throw new Error("nothing was made");
  const end = occupy(object);
  await lab.write({ sandbox: { ...sandbox, disruption }, agents: { a: { sandbox: moved } } });
  return { lab, end, id: object.id };
}

describe("a runtime in use that must be replaced", () => {
  it("waits until it is idle, at most max_wait from the first time it was put off", async () => {
    const { lab: made, id } = await used({ when: "idle", max_wait: "1h" });
    await using lab = made;
    const first = lab.time.now();
    const { plan, result } = await lab.apply({ detailed_exitcode: true });
    expect(plan).toMatchObject({
      exit_code: 2,
      blocked: [{ address: "agent/a", rule: "busy", deferred: true, until: first + HOUR }],
    });
    expect(result).toMatchObject({ exit_code: 0, outcomes: [{ status: "skipped" }] });
    lab.time.advance(59 * MINUTE);
    expect((await lab.apply()).plan.blocked).toMatchObject([{ until: first + HOUR }]);
    expect(lab.objects()).toMatchObject([{ id }]);
    lab.time.advance(MINUTE);
    expect((await lab.apply()).result.summary.done).toBe(1);
    expect(lab.objects()[0]?.id).not.toBe(id);
  });

  it("is replaced as soon as the use has ended", async () => {
    const { lab: made, end, id } = await used({ when: "idle", max_wait: "off" });
    await using lab = made;
    lab.time.advance(1000 * HOUR);
    await lab.apply();
    expect(lab.objects()).toMatchObject([{ id }]);
    end();
    await lab.apply();
    expect(lab.objects().map((each) => each.id)).not.toContain(id);
  });

  it.each([
    ["never", false],
    ["now", true],
  ])("is replaced with disruption.when = %s: %s", async (when, replaced) => {
    const { lab: made, end, id } = await used({ when });
    await using lab = made;
    const { plan, result } = await lab.apply();
    expect(result.exit_code).toBe(0);
    expect(lab.objects().map((each) => each.id === id)).toEqual([!replaced]);
    if (replaced) return;
    expect(plan).toMatchObject({ exit_code: 0, blocked: [{ rule: "disruption", deferred: false }] });
    end();
    await lab.apply();
    expect(lab.objects()).toMatchObject([{ id }]);
    await lab.intent({ mode: "recreate", targets: ["agent/a"] });
    expect(lab.objects().map((each) => each.id)).not.toContain(id);
  });
});

describe("a runtime of a passing role", () => {
  it("stays while it is in use, and goes when both its time and the use are over", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox: { ...sandbox, prune: { idle: "off" } }, agents: { a: {} } });
    await lab.apply();
    const [primary] = lab.objects();
    const labels = primary?.decoded;
    if (primary === undefined || labels === undefined) throw new Error("nothing was made");
    const passing = { ...labels, role: "canary" as const, expires_at: lab.time.now() + HOUR };
    const canary = plant(lab, primary, {
      name: "canary-1",
      labels: { ...passing, name: "canary-1" },
      state: "running",
    });
    await lab.apply();
    expect(lab.objects()).toHaveLength(2);
    lab.time.advance(2 * HOUR);
    const who = { run_id: "r", address: "agent/a", agent: "a", session: "main" };
    const run = await openRun(lab.state(), { ...who, now: () => lab.time.now() });
    expect((await lab.apply()).plan.blocked).toMatchObject([{ address: "agent/a", rule: "busy" }]);
    expect(lab.objects()).toHaveLength(2);
    await run[Symbol.asyncDispose]();
    expect((await lab.apply()).result.exit_code).toBe(0);
    expect(lab.objects().map(({ id }) => id)).toEqual([primary.id]);
    expect(canary?.id).not.toBe(primary.id);
  });
});
