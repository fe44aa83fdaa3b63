import { describe, expect, it } from "vitest";
import { Silences } from "../../src/apply/silence.ts";
import { SandkeepError } from "../../src/errors.ts";
import type { ErrorClass } from "../../src/model/failure.ts";
import type { GraphNode } from "../../src/model/plan.ts";
import { wish } from "../support/runtimes.ts";
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
