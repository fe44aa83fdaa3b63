import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/model/outcome.ts";
import { Lab, occupy, portrait } from "../support/memory-fleet.ts";

const NAMES = ["a", "b", "c", "d", "e", "f"] as const;
const agents = Object.fromEntries(NAMES.map((name) => [name, {}]));
const fleet = (more: object = {}, docker: object = {}): object => ({
  sandbox: { backend: "docker", docker: { image: "img:a", ...docker } },
  agents,
  ...more,
});
const bad = { network: "bridge" };

async function running(more: object = {}): Promise<Lab> {
  const lab = new Lab();
  await lab.write(fleet(more));
  await lab.apply();
  await lab.write(fleet(more, bad));
  lab.world.resetCalls();
  lab.events.length = 0;
  return lab;
}

/** Successors of these agents never get healthy. */
function sicken(lab: Lab, names: readonly string[]): void {
  lab.world.healthScript = (name) => {
    const sick = names.some((each) => name === `${nameOf(lab, each)}.new`);
    return sick ? { health: "unhealthy" } : {};
  };
}

function nameOf(lab: Lab, agent: string): string {
  return lab.objects().find(({ decoded }) => decoded?.address === `agent/${agent}`)?.decoded?.name ?? "";
}

const portraits = (lab: Lab): Record<string, string> =>
  Object.fromEntries(lab.objects().map((each) => [each.decoded?.address ?? each.name, portrait(each)]));

const changed = (before: Record<string, string>, after: Record<string, string>): string[] =>
  Object.keys(after).filter((address) => before[address] !== after[address]);

const statuses = (outcomes: readonly Outcome[]): Record<string, string> =>
  Object.fromEntries(outcomes.map(({ address, status }) => [address.slice("agent/".length), status]));

/** Most replacements that were under way at the same time, by what the executor tells. */
function mostAtOnce(lab: Lab): number {
  const open = new Set<string>();
  let most = 0;
  for (const event of lab.events) {
    if (event.type === "step.started" && event.op !== "fetch") open.add(event.address);
    if (event.type === "change.finished") open.delete(event.address);
    most = Math.max(most, open.size);
  }
  return most;
}

describe("a bad change", () => {
  it("stops after the canary: one is replaced and rolled back, the others are not touched", async () => {
    await using lab = await running();
    const before = portraits(lab);
    const ids = lab.objects().map(({ id }) => id);
    sicken(lab, NAMES);
    const { result } = await lab.apply();
    expect(result.exit_code).toBe(5);
    expect(statuses(result.outcomes)).toEqual({
      ...Object.fromEntries(NAMES.map((name) => [name, "skipped"])),
      a: "rolled_back",
    });
    for (const { address, reason, error, action } of result.outcomes.slice(1)) {
      expect({ address, reason, action, code: error?.code }).toEqual({
        address,
        action: "recreate",
        reason: "paused: canary agent/a failed",
        code: "ROLLOUT_PAUSED",
      });
    }
    expect(lab.objects().map(({ id }) => id)).toEqual(ids);
    const { "agent/a": canary, ...others } = portraits(lab);
    expect(canary).toBeDefined();
    expect({ ...before, "agent/a": canary }).toEqual({ "agent/a": canary, ...others });
    const begun = lab.events.flatMap((event) => (event.type === "step.started" ? [event.address] : []));
    expect([...new Set(begun)]).toEqual(["agent/a"]);
  });

  it("in a wave stops after that wave, and what was done stays", async () => {
    await using lab = await running({ rollout: { max_parallel: 2 } });
    const before = portraits(lab);
    sicken(lab, ["c"]);
    const { result } = await lab.apply();
    expect(result.exit_code).toBe(5);
    expect(statuses(result.outcomes)).toEqual({
      a: "done",
      b: "done",
      c: "rolled_back",
      d: "skipped",
      e: "skipped",
      f: "skipped",
    });
    expect(result.outcomes[5]).toMatchObject({ reason: "paused: agent/c failed" });
    expect(changed(before, portraits(lab)).filter((each) => /[def]$/.test(each))).toEqual([]);
    // Mended, the next apply does what is left.
    lab.world.healthScript = () => ({});
    expect((await lab.apply()).result.exit_code).toBe(0);
    expect((await lab.plan()).summary).toMatchObject({ recreate: 0, no_op: 6 });
  });

  it("is tried on all of them, in order, where a failure does not pause", async () => {
    await using lab = await running({ rollout: { pause_on_failure: false, max_parallel: 2 } });
    sicken(lab, NAMES);
    const { result } = await lab.apply();
    expect(result.exit_code).toBe(5);
    expect(Object.values(statuses(result.outcomes))).toEqual(NAMES.map(() => "rolled_back"));
    expect(mostAtOnce(lab)).toBe(2);
    const finished = lab.events.flatMap((event) => (event.type === "change.finished" ? [event.address] : []));
    expect(finished[0]).toBe("agent/a");
  });

  it("reaches a runtime of another cause no less", async () => {
    await using lab = await running();
    await lab.write({
      ...fleet({}, bad),
      agents: { ...agents, z: {}, f: { sandbox: { docker: { network: "none", image: "img:b" } } } },
    });
    sicken(lab, ["a"]);
    const { result } = await lab.apply();
    expect(statuses(result.outcomes)).toMatchObject({ a: "rolled_back", b: "skipped", f: "done", z: "done" });
  });
});

describe("a bad change in place", () => {
  const small = { memory: "8MiB" };

  /** Who has so little memory is killed for it half a second after it was told. */
  function starve(lab: Lab): void {
    const since = new Map<string, number>();
    lab.world.healthScript = (name) => {
      const object = lab.objects().find((each) => each.name === name);
      if (object?.fields["memory.memory"] !== 8 * 2 ** 20) return {};
      const told = since.get(name) ?? lab.time.now();
      since.set(name, told);
      return lab.time.now() - told < 500 ? {} : { state: "exited", exit_code: 137 };
    };
  }

  it("stops after the canary: nine of ten are not touched, and the one that fails says what stands", async () => {
    const ten = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`a${index}`, {}]));
    await using lab = new Lab({ uptime: 10_000 });
    await lab.write({ ...fleet({}, { memory: "1GiB" }), agents: ten });
    await lab.apply();
    await lab.write({ ...fleet({}, small), agents: ten });
    const before = portraits(lab);
    starve(lab);
    const { result } = await lab.apply();
    expect(result.exit_code).toBe(5);
    expect(result.outcomes.map(({ action, status }) => `${action} ${status}`)).toEqual([
      "update failed",
      ...Array.from({ length: 9 }, () => "update skipped"),
    ]);
    expect(result.outcomes[0]).toMatchObject({
      reason: "health failed; what was changed in place is not taken back",
      error: { code: "UNHEALTHY", message: "it exited with 137" },
    });
    expect(result.outcomes[0]?.error?.hint).toContain("set it right in the config, and apply again");
    expect(result.outcomes[1]).toMatchObject({
      reason: "paused: canary agent/a0 failed",
      error: { code: "ROLLOUT_PAUSED" },
    });
    expect(changed(before, portraits(lab))).toEqual(["agent/a0"]);
    lab.world.healthScript = () => ({});
    await lab.write({ ...fleet({}, { memory: "1GiB" }), agents: ten });
    expect((await lab.apply()).result.exit_code).toBe(0);
    expect((await lab.plan()).summary).toMatchObject({ no_op: 10 });
  });
});

describe("a good change", () => {
  it.each([
    [{}, 5],
    [{ max_parallel: 1 }, 1],
    [{ max_parallel: 3, canary: 2 }, 3],
    [{ canary: "off" }, 6],
    [{ canary: "off", max_parallel: 4, pause_on_failure: false }, 4],
  ])("goes through all of them under %j, %i at once", async (rollout, most) => {
    await using lab = await running({ rollout });
    const { result } = await lab.apply();
    expect(result.exit_code).toBe(0);
    expect(Object.values(statuses(result.outcomes))).toEqual(NAMES.map(() => "done"));
    expect(mostAtOnce(lab)).toBe(most);
    expect((await lab.plan()).summary).toMatchObject({ no_op: 6 });
  });
});

describe("a canary that proves nothing", () => {
  it("because it changed since the plan holds the others up all the same", async () => {
    await using lab = await running();
    const plan = await lab.plan();
    const before = portraits(lab);
    const canary = lab.objects().find(({ decoded }) => decoded?.address === "agent/a");
    lab.world.stopBehind(canary?.name ?? "");
    const result = await lab.applySaved(plan);
    expect(result.exit_code).toBe(4);
    expect(result.outcomes[0]).toMatchObject({ address: "agent/a", status: "stale" });
    expect(result.outcomes[1]).toMatchObject({
      status: "skipped",
      reason: "paused: canary agent/a was not replaced (stale)",
    });
    expect(changed(before, portraits(lab))).toEqual(["agent/a"]);
    expect((await lab.apply()).result.exit_code).toBe(0);
  });

  it("because it is busy leaves its place to the next", async () => {
    await using lab = await running();
    const canary = lab.objects().find(({ decoded }) => decoded?.address === "agent/a");
    if (canary === undefined) throw new Error("no canary");
    occupy(canary);
    const plan = await lab.plan();
    expect(plan.changes.find(({ rollout }) => rollout?.canary === true)?.address).toBe("agent/b");
    expect(plan.blocked).toMatchObject([{ address: "agent/a", rule: "busy" }]);
  });

  it("because an interrupt came first is told as interrupted, with all the others", async () => {
    await using lab = await running();
    const stop = new AbortController();
    stop.abort();
    const { result } = await lab.apply({}, "one", { signal: stop.signal });
    expect(result.outcomes.map(({ reason }) => reason)).toEqual(
      NAMES.map(() => "interrupted before it was begun"),
    );
  });
});

it("a rollout that an interrupt stops finishes what is under way and begins nothing more", async () => {
  await using lab = await running({ rollout: { max_parallel: 2 } });
  const stop = new AbortController();
  lab.world.inject({
    op: "rename",
    nth: 3,
    effect: { kind: "hook", when: "after", run: () => stop.abort() },
  });
  const { result } = await lab.apply({}, "one", { signal: stop.signal });
  const found = statuses(result.outcomes);
  expect(found["a"]).toBe("done");
  expect([found["e"], found["f"]]).toEqual(["skipped", "skipped"]);
  expect(lab.objects().filter(({ name }) => /\.(?:new|old)$/.test(name))).toEqual([]);
  expect((await lab.apply()).result.exit_code).toBe(0);
});
