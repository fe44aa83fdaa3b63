import { describe, expect, it } from "vitest";
import type { Blocked, Plan } from "../../src/model/plan.ts";
import type { Settings } from "../../src/model/settings.ts";
import type { Observation } from "../../src/model/observed.ts";
import type { ImageFact } from "../../src/observe/images.ts";
import { planExitCode, worstExitCode } from "../../src/plan/exit-code.ts";
import { planId } from "../../src/plan/plan-id.ts";
import { DAY, HOUR, NOW, factsOf, found, memory, seen, wish } from "../support/runtimes.ts";
import type { World } from "./planned.ts";
import { planned } from "./planned.ts";

const a = wish({ address: "agent/a" });
const b = wish({ address: "agent/b" });
const away: Observation = {
  status: "unobserved",
  backend: "memory",
  host: "b1",
  kind: "unreachable",
  message: "no answer",
  hint: "look at it",
};
const image = (policy: string, status: "absent" | "unknown" = "absent"): ImageFact => ({
  backend: "memory",
  host: "local",
  ref: "img:a",
  policy,
  state: status === "absent" ? { status } : { status, message: "the registry is away" },
});

describe("a plan's id", () => {
  const world: World = { desired: [a, b], observations: [seen([found(a, { state: "stopped" })])] };
  const id = (more: World = {}): string => planned({ ...world, ...more }).plan_id;
  const own = id();

  it("is over the plan itself, and well-formed", () => {
    const plan = planned(world);
    expect(plan.plan_id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(planId(plan)).toBe(plan.plan_id);
  });

  it.each<[string, World]>([
    ["the time", { now: NOW + 60_000 }],
    ["the tool's version", { toolVersion: "9.9.9" }],
    ["who is using what else", { facts: { activity: { "agent/z": NOW } } }],
    ["how long it has been idle", { facts: { sightings: { "object-1": NOW - HOUR } } }],
    ["the order of observation", { observations: [seen([found(a, { state: "stopped" })])], desired: [b, a] }],
  ])("does not depend on %s", (_title, more) => {
    expect(id(more)).toBe(own);
  });

  it("does not depend on how old what is too old is by now", () => {
    const old = { observations: [seen([found(a, { created_at: NOW - 8 * DAY })])], desired: [a] };
    expect(id(old)).toBe(id({ ...old, now: NOW + HOUR }));
  });

  it("does not depend on impact or wording", () => {
    const plan = planned(world);
    const worded: Plan = {
      ...plan,
      diagnostics: [{ severity: "warning", code: "x", message: "x", path: "" }],
      changes: plan.changes.map((each) => ({
        ...each,
        why: "otherwise",
        impact: { ...each.impact, busy: 3, idle_s: 5 },
      })),
    };
    expect(planId(worded)).toBe(plan.plan_id);
  });

  it("depends on all that each step does, and each step's key with it", () => {
    const salvage = wish().settings.salvage;
    const keyed = (settings: Partial<Settings>): string[] => {
      const desired = wish({ settings: { salvage: { ...salvage, when: "always" }, ...settings } });
      const plan = planned({
        desired: [desired],
        observations: [seen([found(a)])],
        intent: { mode: "recreate", targets: ["agent/a"] },
      });
      const told = { ...plan, changes: [] };
      return [planId(told), ...plan.graph.map((node) => `${node.id} ${node.idempotency_key}`)];
    };
    const before = keyed({});
    const differing = (settings: Partial<Settings>): string[] => {
      const ids = new Set(before);
      return keyed(settings)
        .filter((each) => !ids.has(each))
        .map((each) => each.replace(/^.*#(.*) .*$/, "$1").replace(/^sha256:.*/, "plan"));
    };
    expect(differing({})).toEqual([]);
    expect(differing({ salvage: { ...salvage, when: "always", max_age: 1 } })).toEqual([
      "plan",
      "weigh",
      "salvage",
    ]);
    expect(differing({ attest: true })).toEqual(["plan", "verify"]);
  });

  it.each<[string, World]>([
    ["another decision", { observations: [seen([found(a)])] }],
    ["another object", { observations: [seen([found(a, { state: "stopped", object_id: "other" })])] }],
    ["another spec", { desired: [a, wish({ address: "agent/b", settings: { options: { cpus: 2 } } })] }],
    ["another image", { images: [image("missing")] }],
    [
      "another observed value",
      { observations: [seen([found(a, { state: "stopped", fields: { "memory.network": "x" } })])] },
    ],
    ["another mode", { intent: { mode: "prune", orphans: false } }],
    ["a hold", { facts: { holds: [{ address: "agent/b", reason: "r", by: "me", since: 0 }] } }],
    [
      "a foreign object",
      {
        observations: [
          seen([found(a, { state: "stopped" })], { foreign: [{ name: "x", object_id: "x", why: "y" }] }),
        ],
      },
    ],
    ["what could not be observed", { observations: [seen([found(a, { state: "stopped" })]), away] }],
  ])("depends on %s", (_title, more) => {
    expect(id(more)).not.toBe(own);
  });
});

const blocked = (rule: string, deferred = false): Blocked => ({
  address: "agent/a",
  rule,
  why: "",
  until: null,
  fix: null,
  deferred,
});

describe("exit codes", () => {
  it("of several, the first in this order", () => {
    const order = [70, 1, 5, 4, 3, 69, 75, 2, 0];
    for (const [index, code] of order.entries())
      expect(worstExitCode(order.slice(index).toReversed())).toBe(code);
    expect(worstExitCode([])).toBe(0);
  });

  it.each([77, 124, 130, 143])("%i is never lost beside success", (code) => {
    expect(worstExitCode([0, code])).toBe(code);
    expect(worstExitCode([code, 0, 0])).toBe(code);
    expect(worstExitCode([code, 1])).toBe(1);
  });

  it.each<[string, Blocked[], boolean, number, boolean, number]>([
    ["nothing to do", [], true, 0, true, 0],
    ["changes, and nobody asked for details", [], true, 3, false, 0],
    ["changes", [], true, 3, true, 2],
    ["put off", [blocked("busy", true)], true, 0, true, 2],
    ["put off, and nobody asked for details", [blocked("busy", true)], true, 0, false, 0],
    ["somebody else at work", [blocked("candidate", true)], true, 0, true, 2],
    ["never disrupted", [blocked("disruption")], true, 0, true, 0],
    ["protected", [blocked("protected")], true, 3, true, 3],
    ["guarded", [blocked("guard")], true, 0, false, 3],
    ["a foreign name", [blocked("foreign")], true, 0, false, 3],
    ["not all observed", [], false, 3, true, 69],
    ["not all observed, and refused", [blocked("guard")], false, 3, true, 3],
  ])("%s", (_title, blockers, complete, pending, detailed, expected) => {
    expect(planExitCode({ blocked: blockers, complete, pending, detailed })).toBe(expected);
  });

  it("of a held change is 0, of a pending one 2", () => {
    const request = { detailed_exitcode: true };
    expect(planned({ desired: [a], request }).exit_code).toBe(2);
    const holds = [{ address: "agent/a", reason: "mine", by: "me", since: 0 }];
    expect(planned({ desired: [a], request, facts: { holds } }).exit_code).toBe(0);
  });
});

const withImage = (address: "agent/a" | "agent/b", image_policy = "missing") => ({
  ...wish({ address, settings: { options: { image: "img:a", image_policy } } }),
  image: { ref: "img:a", policy: image_policy },
});

const fetches = (world: World) =>
  planned(world)
    .graph.filter(({ op }) => op === "fetch")
    .map(({ id }) => id);
const both = [withImage("agent/a"), withImage("agent/b")];

const impact = (world: World) => planned(world).changes[0]?.impact;

describe("a plan", () => {
  it("plans nothing for an engine it could not see, and says so", () => {
    const there = wish({ address: "agent/b", host: "b1" });
    const plan = planned({ desired: [a, there], observations: [seen([]), away] });
    expect(plan).toMatchObject({ complete: false, exit_code: 69 });
    expect(plan.changes.map((each) => each.address)).toEqual(["agent/a"]);
    expect(plan.observed).toMatchObject([
      { status: "complete" },
      { host: "b1", status: "unobserved", message: "no answer" },
    ]);
  });

  it("only warns about an engine that nothing declares any more", () => {
    const plan = planned({ desired: [a], observations: [seen([]), away], remembered: ["memory@b1"] });
    expect(plan).toMatchObject({ complete: true, exit_code: 0 });
    expect(plan.diagnostics).toMatchObject([
      { severity: "warning", code: "remembered-engine-unobserved", hint: "look at it" },
    ]);
  });

  it("holds each spec once, and no spec of what only goes", () => {
    const plan = planned({ desired: [a, b], observations: [seen([found(wish({ address: "agent/c" }))])] });
    expect(Object.keys(plan.specs)).toHaveLength(1);
    expect(plan.changes.map((each) => each.spec_key === null)).toEqual([false, false, true]);
  });

  it("fetches an image once for all that need it, and not where it is there, unwanted, or unknown to be missing", () => {
    expect(fetches({ desired: both, images: [image("missing")] })).toHaveLength(1);
    const policies = [withImage("agent/a"), withImage("agent/b", "track")];
    const two = fetches({ desired: policies, images: [image("missing"), image("track")] });
    expect(two).toHaveLength(2);
    expect(new Set(two).size).toBe(2);
    expect(fetches({ desired: [withImage("agent/a", "never")], images: [image("never")] })).toEqual([]);
    const there: ImageFact = {
      ...image("missing"),
      state: {
        status: "present",
        image: { ref: "img:a", kind: "config", digest: "sha256:1", platform: "linux/amd64" },
      },
    };
    expect(fetches({ desired: both, images: [there] })).toEqual([]);
  });

  it("says what an image could not be asked for, and leaves it out", () => {
    const plan = planned({ desired: [a], images: [image("track", "unknown")] });
    expect(plan.images).toEqual([]);
    expect(plan.diagnostics).toMatchObject([{ code: "image-unknown" }]);
  });

  it("lists orphans, foreign, dormant and held with their reasons", () => {
    const mark = { address: b.address, since: 0, reason: "idle for 25h" };
    const foreign = [{ name: "x", object_id: "f", why: "somebody's" }];
    const observations = [seen([found(wish({ address: "agent/c" }))], { dormant: [mark], foreign })];
    const holds = [{ address: "agent/a", reason: "mine", by: "me", since: 0, until: NOW + HOUR }];
    const plan = planned({ desired: [a, b], observations, facts: { holds } });
    expect(plan.orphans).toMatchObject([{ address: "agent/c", why: "no longer declared" }]);
    expect(plan.foreign).toMatchObject([{ name: "x", why: "somebody's" }]);
    expect(plan.dormant).toEqual([
      { address: "agent/b", since: "1970-01-01T00:00:00.000Z", reason: "idle for 25h" },
    ]);
    expect(plan.held).toEqual([
      { address: "agent/a", reason: "mine", until: new Date(NOW + HOUR).toISOString() },
    ]);
    expect(plan.summary).toMatchObject({ remove: 1, no_op: 2, held: 1, dormant: 1, orphans: 1, foreign: 1 });
  });

  it("tells the impact: who is disturbed, and what becomes of the workspace", () => {
    const destroy = { mode: "destroy", unprotect: false } as const;
    const facts = factsOf({ activity: { "agent/a": NOW - HOUR } });
    const observations = [seen([found(a, { execs: 2, started_at: NOW - 2 * HOUR })])];
    expect(impact({ desired: [a], observations, facts, intent: destroy })).toEqual({
      downtime: true,
      busy: 2,
      idle_s: 0,
      rw_bytes: null,
      rw_files: null,
      rw_deleted: null,
      rw_paths: [],
      rw_more: false,
      salvage: false,
      workspace: "kept",
    });
    expect(
      impact({ desired: [a], observations: [seen([found(a, { state: "stopped" })])], intent: destroy }),
    ).toMatchObject({ downtime: false, idle_s: null });
    const kept = (provider: "own" | "volume", intent: World["intent"]) => {
      const module = { ...memory, provider: () => provider };
      const desired = wish({ module });
      return impact({
        desired: [desired],
        module,
        observations: [seen([found(desired)])],
        ...(intent === undefined ? {} : { intent }),
      })?.workspace;
    };
    expect(kept("own", destroy)).toBe("lost");
    expect(kept("own", { mode: "recreate", targets: ["agent/a"] })).toBe("lost");
    expect(kept("volume", destroy)).toBe("lost");
    expect(kept("volume", { mode: "recreate", targets: ["agent/a"] })).toBe("reseeded");
    expect(kept("own", undefined)).toBe("kept");
  });

  it("tells that what is kept for a dormant address goes with it", () => {
    const mark = { address: "agent/a", since: NOW - DAY, reason: "idle" } as const;
    const asleep = (provider: "bind" | "volume", declared = true) => {
      const desired = wish({ module: { ...memory, provider: () => provider } });
      const [change] = planned({
        ...(declared ? { desired: [desired] } : { configless: true }),
        observations: [seen([], { dormant: [mark] })],
        intent: { mode: "destroy", unprotect: false },
      }).changes;
      return change?.impact.workspace;
    };
    expect([asleep("volume"), asleep("bind"), asleep("volume", false)]).toEqual(["lost", "kept", "lost"]);
  });
});
