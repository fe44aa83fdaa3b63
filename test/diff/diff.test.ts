import { describe, expect, it } from "vitest";
import type { Decision } from "../../src/diff/diff.ts";
import { deferralKey } from "../../src/diff/diff.ts";
import type { Observation } from "../../src/model/observed.ts";
import { statusOf } from "../../src/plan/listing.ts";
import { DAY, HOUR, NOW, OWNER, found, seen, wish } from "../support/runtimes.ts";
import type { World } from "../plan/planned.ts";
import { decided } from "../plan/planned.ts";

const a = wish({ address: "agent/a" });
const b = wish({ address: "agent/b" });

const told = (decisions: readonly Decision[]): string[] =>
  decisions.map(({ situation, verdict }) => {
    const what = verdict.action === "none" ? verdict.rest : verdict.action;
    return `${situation.address}@${situation.host} ${what}`;
  });
const decide = (world: World): string[] => told(decided(world));
const away: Observation = {
  status: "unobserved",
  backend: "memory",
  host: "b1",
  kind: "unreachable",
  message: "away",
  hint: undefined,
};

const repairs = (world: World) =>
  decided(world).map(({ situation }) => situation.repairs.map((each) => each.kind));

describe("one decision an address and engine", () => {
  it("is made of everything wanted, found, or marked, in order", () => {
    const mark = { address: b.address, since: 0, reason: "idle" };
    expect(decide({ desired: [b, a], observations: [seen([], { dormant: [mark] })] })).toEqual([
      "agent/a@local create",
      "agent/b@local dormant",
    ]);
    const orphan = found(b, { object_id: "object-b" });
    expect(decide({ desired: [a], observations: [seen([orphan, found(a)])] })).toEqual([
      "agent/a@local up-to-date",
      "agent/b@local remove",
    ]);
  });

  it.each([
    [{}, "it should run and was stopped"],
    [{ exit_code: 0 }, "it should run and ended with exit code 0"],
    [{ exit_code: 137 }, "it should run and ended with exit code 137"],
  ])("says how what should run came to stand still, as far as its engine tells: %j", (ended, why) => {
    const stopped = found(a, { state: "stopped", ...ended });
    const [decision] = decided({ desired: [a], observations: [seen([stopped])] });
    expect(decision?.verdict).toMatchObject({ action: "start", why });
  });

  it("does not depend on the order in which an engine lists", () => {
    const strays = ["x", "y", "z"].map((name) => found(a, { name, object_id: name }));
    const one = decided({ desired: [a], observations: [seen(strays)] });
    expect(decided({ desired: [a], observations: [seen(strays.toReversed())] })).toEqual(one);
  });

  it("is none for an engine that could not be observed", () => {
    const there = wish({ address: "agent/b", host: "b1" });
    expect(decide({ desired: [a, there], observations: [seen([]), away] })).toEqual(["agent/a@local create"]);
  });

  it("takes a runtime on another engine than the wanted one for an orphan there", () => {
    const moved = { ...a, host: "b1" };
    const observations = [seen([found(a)]), seen([], { host: "b1" })];
    expect(decide({ desired: [moved], observations })).toEqual(["agent/a@local remove", "agent/a@b1 create"]);
  });

  it("clears a mark that a runtime, or a config, has overtaken", () => {
    const mark = { address: a.address, since: 0, reason: "idle" };
    const marked = seen([], { dormant: [mark] });
    expect(repairs({ desired: [a], observations: [seen([found(a)], { dormant: [mark] })] })).toEqual([
      ["clear-mark"],
    ]);
    expect(repairs({ desired: [b], observations: [marked] })).toEqual([["clear-mark"], []]);
    expect(repairs({ desired: [a], observations: [marked] })).toEqual([[]]);
    expect(repairs({ configless: true, observations: [marked] })).toEqual([[]]);
  });

  it("tells who holds one of its names", () => {
    for (const suffix of ["", ".new", ".old"]) {
      const foreign = [{ name: a.name + suffix, object_id: "x", why: "not ours" }];
      expect(decide({ desired: [a], observations: [seen([], { foreign })] })).toEqual([
        "agent/a@local blocked",
      ]);
    }
    const elsewhere = [{ name: "other", object_id: "x", why: "not ours" }];
    expect(decide({ desired: [a], observations: [seen([], { foreign: elsewhere })] })).toEqual([
      "agent/a@local create",
    ]);
  });

  it("honours a hold of the address, or of the whole fleet", () => {
    const hold = { reason: "mine", by: "me", since: 0 };
    const world = { desired: [a, b], observations: [seen([])] };
    expect(decide({ ...world, facts: { holds: [{ ...hold, address: "agent/a" }] } })).toEqual([
      "agent/a@local held",
      "agent/b@local create",
    ]);
    expect(decide({ ...world, facts: { holds: [{ ...hold, address: "fleet" }] } })).toEqual([
      "agent/a@local held",
      "agent/b@local held",
    ]);
  });

  it("finds the config's protection before a label's, and a label's where nothing is declared", () => {
    const labels = { protect: true };
    const world = {
      observations: [seen([found(a, { labels })])],
      guards: { max_destroy: "off", allow_empty: true },
    } as const;
    expect(decide({ ...world, desired: [] })).toEqual(["agent/a@local blocked"]);
    expect(decide({ ...world, desired: [a], intent: { mode: "destroy", unprotect: false } })).toEqual([
      "agent/a@local remove",
    ]);
    const kept = wish({ settings: { protect: true } });
    expect(
      decide({
        observations: [seen([found(a)])],
        desired: [kept],
        intent: { mode: "destroy", unprotect: false },
      }),
    ).toEqual(["agent/a@local blocked"]);
  });

  it("puts off a spec, not an address: another spec waits anew", () => {
    const drifted = found(a, { execs: 1, fields: { env: { A: "x" } } });
    const world = { desired: [a], observations: [seen([drifted])] };
    const [decision] = decided(world);
    if (decision === undefined) throw new Error("no decision");
    const key = deferralKey(decision.situation);
    expect(key).toBe(`agent/a ${a.spec_hash}`);
    expect(decide({ ...world, facts: { deferred: { [key]: NOW - 2 * HOUR } } })).toEqual([
      "agent/a@local recreate",
    ]);
    const older = { [`agent/a v1:sha256:${"0".repeat(64)}`]: NOW - 2 * HOUR };
    expect(decide({ ...world, facts: { deferred: older } })).toEqual(["agent/a@local blocked"]);
  });
});

const passing = (expires_at: number | undefined, more = {}) =>
  found(a, {
    object_id: "canary-1",
    name: "canary",
    ...more,
    labels: { role: "canary", owner: OWNER, ...(expires_at === undefined ? {} : { expires_at }) },
  });

describe("runtimes of passing roles", () => {
  it.each<[string, number | undefined, World, string]>([
    ["not expired", NOW + 1, {}, "waiting"],
    ["expired", NOW, {}, "remove"],
    ["without an expiry", undefined, {}, "waiting"],
    ["destroy", NOW + 1, { intent: { mode: "destroy", unprotect: false } }, "remove"],
    ["not selected", NOW, { intent: { mode: "apply", targets: ["agent/b"] } }, "unselected"],
    ["held", NOW, { facts: { holds: [{ address: "agent/a", reason: "r", by: "me", since: 0 }] } }, "held"],
    ["backing off", NOW, { skip: ["agent/a"] }, "back-off"],
  ])("%s", (_title, expires, world, expected) => {
    const observations = [seen([found(a), passing(expires)])];
    const decisions = decided({ desired: [a], observations, ...world });
    const about = decisions.filter(({ situation }) => situation.current?.object_id === "canary-1");
    expect(told(about)).toEqual([`agent/a@local ${expected}`]);
  });

  it("is no second runtime of its address, and is removed only when idle", () => {
    const observations = [seen([passing(NOW, { execs: 1 })])];
    expect(decide({ desired: [a], observations })).toEqual(["agent/a@local create", "agent/a@local blocked"]);
  });
});

describe("guards", () => {
  const orphans = ["b", "c", "d"].map((name) =>
    found(wish({ address: `agent/${name}` }), { object_id: name }),
  );
  const observations = [seen([found(a), ...orphans])];
  const removed = (world: World): number =>
    decide({ observations, ...world }).filter((each) => each.endsWith("remove")).length;

  it.each<[string, World, number]>([
    ["as many as max_destroy", { desired: [a], guards: { max_destroy: 3, allow_empty: false } }, 3],
    [
      "more than max_destroy: none at all",
      { desired: [a], guards: { max_destroy: 2, allow_empty: false } },
      0,
    ],
    ["none allowed", { desired: [a], guards: { max_destroy: 0, allow_empty: false } }, 0],
    ["a config that declares nothing", { desired: [] }, 0],
    [
      "a config that declares nothing, allowed",
      { desired: [], guards: { max_destroy: "off", allow_empty: true } },
      4,
    ],
    ["allowed to be empty, but too many", { desired: [], guards: { max_destroy: 3, allow_empty: true } }, 0],
    [
      "prune --orphans counts them too",
      {
        desired: [a],
        intent: { mode: "prune", orphans: true },
        guards: { max_destroy: 2, allow_empty: false },
      },
      0,
    ],
    [
      "destroy does not count",
      {
        desired: [a],
        intent: { mode: "destroy", unprotect: false },
        guards: { max_destroy: 0, allow_empty: false },
      },
      4,
    ],
  ])("%s", (_title, world, expected) => {
    expect(removed(world)).toBe(expected);
  });

  it("count orphans alone, and say what lifts them", () => {
    const guards = { max_destroy: 0, allow_empty: false };
    const idle = { sightings: { "object-1": NOW - 3 * DAY } };
    const old = found(a, { created_at: NOW - 3 * DAY, started_at: NOW - 3 * DAY });
    expect(decide({ desired: [a], observations: [seen([old])], facts: idle, guards })).toEqual([
      "agent/a@local remove",
    ]);
    const blocked = decided({ desired: [a], observations, guards }).filter(
      ({ verdict }) => verdict.action === "blocked",
    );
    expect(blocked).toHaveLength(3);
    for (const { verdict } of blocked)
      expect(verdict).toMatchObject({ rule: "guard", fix: expect.stringContaining("--max-destroy 3") });
  });
});

describe("a health check that the image of a runtime brings", () => {
  const sick = { observations: [seen([found(a, { health: "unhealthy" })])] };
  const asked = wish({
    address: "agent/a",
    settings: { ready: { command: ["true"], timeout: 60_000, interval: 1_000 } },
  });

  it("makes it anew when it fails, and is not asked where the config says how to tell that it is ready", () => {
    expect(decide({ ...sick, desired: [a] })).toEqual(["agent/a@local recreate"]);
    // Made before the config said so, it has the image's check still.
    expect(asked.spec_hash).toBe(a.spec_hash);
    expect(decide({ ...sick, desired: [asked] })).toEqual(["agent/a@local up-to-date"]);
  });

  it("counts for what is listed as for what is done", () => {
    const statuses = [[a], [asked]].map((desired) =>
      decided({ ...sick, desired }).map(({ situation }) => statusOf(situation)),
    );
    expect(statuses).toEqual([["unhealthy"], ["running"]]);
  });
});
