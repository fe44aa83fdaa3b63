import { expect, test } from "vitest";
import { type Cycle, type FollowUp, followUps } from "../../controllers/follow-up.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import type { Action, Blocked, Change, Plan } from "../../src/model/plan.ts";

const HASH = "v1:sha256:aa";
const INPUT = { wish: HASH, place: "memory@local" };

function change(address: string, ...actions: readonly Action[]): Change {
  return {
    address,
    kind: "sandbox",
    backend: "memory",
    host: "local",
    name: address,
    agent: null,
    session: null,
    object_id: null,
    actions: [...actions],
    origin: null,
    why: "",
    reasons: [],
    replace_paths: [],
    spec_key: null,
    hashes: { before: null, after: actions.includes("remove") ? null : HASH },
    precondition: { object_id: null, spec_hash: null, observed_digest: null },
    impact: {
      downtime: false,
      busy: 0,
      idle_s: null,
      rw_bytes: null,
      rw_files: null,
      rw_deleted: null,
      rw_paths: [],
      rw_more: false,
      salvage: false,
      workspace: "kept",
    },
    protection: { protected: false, rule: null },
    salvage: null,
    secrets: {},
    rollout: null,
  };
}

function outcome(address: string, status: Outcome["status"], message?: string): Outcome {
  const error = message === undefined ? null : { code: "X", message, hint: null };
  return { address, action: "create", status, duration_ms: 0, error, reason: "the reason" };
}

function blocked(address: string, more: Partial<Blocked> = {}): Blocked {
  return { address, rule: "busy", why: "", until: null, fix: null, deferred: false, ...more };
}

function judge(
  plan: Partial<Plan>,
  outcomes: readonly Outcome[] = [],
  more: Partial<Cycle> = {},
): readonly FollowUp[] {
  const base: Plan = {
    format_version: "1.0",
    tool_version: "0",
    plan_id: "p",
    created_at: "",
    at: null,
    mode: "apply",
    complete: true,
    source: { fleet: "f", fleet_id: null, file: null, files: [] },
    observed: [],
    images: [],
    specs: {},
    changes: [],
    orphans: [],
    foreign: [],
    dormant: [],
    held: [],
    blocked: [],
    graph: [],
    summary: {
      create: 0,
      start: 0,
      update: 0,
      recreate: 0,
      remove: 0,
      adopt: 0,
      repair: 0,
      no_op: 0,
      blocked: 0,
      held: 0,
      dormant: 0,
      orphans: 0,
      foreign: 0,
    },
    diagnostics: [],
    exit_code: 0,
  };
  const summary = { done: 0, failed: 0, skipped: 0, stale: 0, rolled_back: 0 };
  const result = {
    plan_id: "p",
    outcomes: [...outcomes],
    calls: { read: 0, write: 0 },
    summary,
    exit_code: 0,
  };
  return followUps({ plan: { ...base, ...plan }, result, started: new Set(), watched: [], ...more });
}

test("what is done needs nothing more", () => {
  expect(judge({ changes: [change("a", "create")] }, [outcome("a", "done")])).toEqual([]);
});

test.each([
  ["failed", "boom", "X: boom"],
  ["rolled_back", "not healthy", "X: not healthy"],
  ["stale", undefined, "the reason"],
  ["skipped", undefined, "the reason"],
] as const)("a change that is %s is tried again after a back-off", (status, message, why) => {
  expect(judge({ changes: [change("a", "create")] }, [outcome("a", status, message)])).toEqual([
    { kind: "failed", address: "a", input: INPUT, why },
  ]);
});

test("a removal that fails backs off under a name of its own", () => {
  expect(judge({ changes: [change("a", "remove")] }, [outcome("a", "failed", "no")])).toEqual([
    { kind: "failed", address: "a", input: { wish: "none remove" }, why: "X: no" },
  ]);
});

test("what is blocked or held is no failure; a known time is kept, an unknown one is polled", () => {
  const plan = {
    blocked: [
      blocked("a", { until: 5000, deferred: true }),
      blocked("b", { rule: "guard" }),
      blocked("c", { deferred: true }),
    ],
    held: [
      { address: "d", reason: "", until: "1970-01-01T00:00:09.000Z" },
      { address: "e", reason: "", until: null },
    ],
  };
  expect(judge(plan, [outcome("a", "skipped"), outcome("b", "skipped"), outcome("c", "skipped")])).toEqual([
    { kind: "again", address: "a", at: 5000 },
    { kind: "again", address: "d", at: 9000 },
    { kind: "soon", address: "a" },
    { kind: "soon", address: "c" },
  ]);
});

test("what was started is told with what it is to become, and what for", () => {
  const started = new Set(["a"]);
  const changes = [{ ...change("a", "recreate"), why: "it was stopped" }];
  expect(judge({ changes }, [outcome("a", "done")], { started })).toEqual([
    { kind: "started", address: "a", input: INPUT, why: "it was stopped" },
  ]);
});

test("what was started and failed all the same is told with what it failed of", () => {
  const started = new Set(["a"]);
  const changes = [{ ...change("a", "start"), why: "it was stopped" }];
  expect(judge({ changes }, [outcome("a", "rolled_back", "it exited with 1")], { started })).toEqual([
    { kind: "started", address: "a", input: INPUT, why: "X: it exited with 1" },
    { kind: "failed", address: "a", input: INPUT, why: "X: it exited with 1" },
  ]);
});

test("only what was looked at and needs nothing is healthy", () => {
  const watched = ["a", "b", "c", "gone"];
  const plan = {
    changes: [change("a", "no-op"), change("b", "create")],
    blocked: [blocked("c", { rule: "guard" })],
  };
  expect(judge(plan, [outcome("b", "done")], { watched })).toEqual([
    { kind: "healthy", address: "a" },
    { kind: "healthy", address: "gone" },
  ]);
});

test("an engine that could not be seen makes nothing healthy and is waited for", () => {
  const engine = { backend: "memory", host: "local", runtimes: 0 };
  const away = { ...engine, status: "unobserved", message: "refused" } as const;
  expect(judge({ complete: false, observed: [away] }, [], { watched: ["a"] })).toEqual([
    { kind: "unobserved", engine: "memory@local", why: "refused" },
  ]);
  expect(judge({ observed: [away] })).toEqual([]);
  expect(judge({ observed: [{ ...engine, status: "complete", message: null }] })).toEqual([
    { kind: "observed", engine: "memory@local" },
  ]);
});

test("who rests on a network that could not be mended backs off; who changes fails by itself, and who waits waits", () => {
  const network: NonNullable<Plan["networks"]>[number] = {
    network: "egress/agent/a",
    backend: "memory",
    host: "local",
    name: "n",
    object_id: "1",
    action: "update",
    why: "",
    differences: [],
    spec: null,
    users: ["a", "b", "c"],
    enforced: null,
  };
  const plan = {
    changes: [change("a", "no-op"), change("b", "recreate"), change("c", "no-op")],
    blocked: [blocked("c")],
    networks: [network],
  };
  const watched = ["a", "b", "c"];
  expect(judge(plan, [outcome(network.network, "failed", "no node")], { watched })).toEqual([
    { kind: "failed", address: "a", input: INPUT, why: "X: no node" },
  ]);
  expect(judge(plan, [outcome(network.network, "done")], { watched })).toEqual([
    { kind: "healthy", address: "a" },
  ]);
  expect(judge(plan, [outcome(network.network, "skipped")])).toEqual([]);
});
