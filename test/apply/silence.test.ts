import { describe, expect, it } from "vitest";
import { Silences } from "../../src/apply/silence.ts";
import { SandkeepError } from "../../src/errors.ts";
import type { ErrorClass } from "../../src/model/failure.ts";
import type { GraphNode } from "../../src/model/plan.ts";
import { wish } from "../support/runtimes.ts";
import { Lab } from "../support/memory-fleet.ts";
import { Bench } from "./applying.ts";

const FLEET = Array.from({ length: 8 }, (_, index) => wish({ address: `agent/a${index}` }));

/** Creations that were asked for, and how each change ended, with an engine that fails the first so many. */
async function failing(as: ErrorClass, times: number) {
  const bench = new Bench();
  bench.world.inject({ op: "create", times, effect: { kind: "fail", when: "before", as } });
  const result = await bench.run({ desired: FLEET }, { parallelism: 1 });
  const { outcomes, exit_code } = result;
  const creates = bench.writes().filter((op) => op === "create").length;
  return { creates, ends: outcomes.map(({ status, error }) => `${status} ${error?.code}`), exit_code, bench };
}

const ROW = { id: "a#1", address: "agent/a", backend: "docker", depends_on: [], after: [], on_failure: [] };

function step(op: "create" | "setup" | "start", compensates = false, host = "local"): GraphNode {
  const common = { ...ROW, host, compensates, idempotency_key: "", timeout_s: 1, cause: "", spec_key: "" };
  return op === "create" ? { ...common, op, name: "a.new" } : { ...common, op, object_id: null };
}

const repeat = (count: number, what: string): string[] => Array.from({ length: count }, () => what);

describe("an engine that answers nobody", () => {
  it("is left alone after three steps, and each change that was not begun says so", async () => {
    const { creates, ends, exit_code, bench } = await failing("unreachable", 100);
    expect(creates).toBe(3);
    expect(ends.toSorted()).toEqual([
      ...repeat(3, "failed MEMORY_UNREACHABLE"),
      ...repeat(5, "skipped ENGINE_SILENT"),
    ]);
    expect(exit_code).toBe(69);
    bench.world.clearFaults();
    expect(await bench.run({ desired: FLEET })).toMatchObject({ exit_code: 0 });
    expect(bench.names()).toHaveLength(FLEET.length);
  });

  it("is not left alone when it answers again", async () => {
    const { creates, ends } = await failing("unreachable", 2);
    expect(creates).toBe(8);
    expect(ends.toSorted()).toEqual([
      ...repeat(6, "done undefined"),
      ...repeat(2, "failed MEMORY_UNREACHABLE"),
    ]);
  });

  it("is another one than an engine that refuses", async () => {
    const { creates, ends } = await failing("denied", 100);
    expect(creates).toBe(8);
    expect(ends).toEqual(repeat(8, "failed MEMORY_DENIED"));
  });

  it("is known by its own steps in a row alone, which end without an answer or not at all", () => {
    const silences = new Silences();
    const fails = (op: "create" | "setup" | "start", code: string, kind: ErrorClass, undo = false): void =>
      silences.failed(step(op, undo), new SandkeepError("no", { code, kind, blame: "backend" }));
    fails("create", "DOCKER_TIMEOUT", "unreachable");
    fails("start", "STEP_TIMEOUT", "transient");
    // A refusal is an answer.
    fails("create", "DOCKER_CONFLICT", "conflict");
    fails("create", "DOCKER_TIMEOUT", "unreachable");
    fails("start", "STEP_TIMEOUT", "transient");
    // A command of the user's that hangs, and what takes a change back, which was counted.
    fails("setup", "STEP_TIMEOUT", "transient");
    fails("start", "STEP_TIMEOUT", "transient", true);
    // Faults of this side are no answers, and no lack of one.
    silences.failed(
      step("create"),
      new SandkeepError("no", { code: "SECRET_UNRESOLVED", kind: "unreachable", blame: "user" }),
    );
    silences.failed(step("create"), new Error("disk full"));
    silences.answered(step("create", false, "other"));
    expect(silences.isSilent("docker@local")).toBe(false);
    fails("start", "STEP_TIMEOUT", "transient");
    expect(silences.isSilent("docker@local")).toBe(true);
    expect(silences.isSilent("docker@other")).toBe(false);
    silences.answered(step("start"));
    expect(silences.isSilent("docker@local")).toBe(false);
  });
});

const GATED = { networks: { build: { egress: { allow: ["pypi.org"], image: "img:b" } } } };
const ON_BUILD = { sandbox: { docker: { network: "build", memory: "64MiB" } } };

function fleet(agents: object): object {
  return { sandbox: { backend: "docker", docker: { image: "img:a" } }, ...GATED, agents };
}

/**
 * Agent a, stopped and with another limit on a network whose gate is gone: its update can be made at once, its start
 * waits for the network, and that for an image, which comes when `until` says.
 */
async function waiting(lab: Lab, agents: object, until: () => boolean): Promise<void> {
  await lab.write(fleet({ a: ON_BUILD }));
  await lab.apply();
  const [object] = lab.objects();
  if (object === undefined) throw new Error("nothing was made");
  lab.world.changeBehind(object.name, "memory.memory", 1);
  lab.world.stopBehind(object.name);
  const machine = lab.world.machine();
  for (const network of machine.networks.values())
    machine.networks.set(network.id, { ...network, gate: undefined });
  machine.images.delete("img:b");
  await lab.write(fleet({ a: ON_BUILD, ...agents }));
  lab.world.resetCalls();
  const run = async (): Promise<void> => {
    while (!until()) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  lab.world.inject({ op: "fetch", effect: { kind: "hook", when: "before", run } });
}

const calls = (lab: Lab, name: string): number => lab.world.log.filter(({ op }) => op === name).length;
const failed = (lab: Lab, name: string): number =>
  lab.events.filter((each) => each.type === "step.finished" && each.op === name && each.status === "failed")
    .length;

describe("a change whose network was not begun", () => {
  it("for an engine's silence is not finished, keeps what it has, and is told as such", async () => {
    await using lab = new Lab();
    await waiting(lab, { b: {}, c: {}, d: {} }, () => failed(lab, "create") === 3);
    // Later than the update, which is an answer.
    lab.world.inject({ op: "create", times: 3, effect: { kind: "delay", ms: 30 } });
    lab.world.inject({ op: "create", times: 3, effect: { kind: "fail", when: "before", as: "unreachable" } });
    const { result } = await lab.apply();
    expect(result.outcomes.find(({ address }) => address === "agent/a")).toMatchObject({
      status: "skipped",
      reason: "not finished, start is left: docker@local gave no answer to the changes before it",
      error: { code: "ENGINE_SILENT" },
    });
    expect(result.outcomes.find(({ address }) => address === "network/build")).toMatchObject({
      status: "skipped",
      error: { code: "ENGINE_SILENT" },
    });
    expect(result.exit_code).toBe(69);
    expect([calls(lab, "update"), calls(lab, "start"), calls(lab, "ensureNetwork")]).toEqual([1, 0, 0]);
    expect((await lab.apply()).result).toMatchObject({ exit_code: 0, summary: { done: 5 } });
  });

  it("for an interrupt says before which step it came", async () => {
    await using lab = new Lab();
    const stop = new AbortController();
    await waiting(lab, {}, () => stop.signal.aborted);
    lab.world.inject({
      op: "update",
      effect: { kind: "hook", when: "after", run: () => stop.abort() },
    });
    const { result } = await lab.apply({}, "one", { signal: stop.signal });
    expect(result.outcomes.map(({ address, status, reason }) => `${address} ${status}: ${reason}`)).toEqual([
      "agent/a skipped: interrupted before start",
      "network/build skipped: interrupted before it was begun",
    ]);
    expect(result.exit_code).toBe(130);
    expect((await lab.apply()).result).toMatchObject({ exit_code: 0, summary: { done: 2 } });
  });
});
