import { describe, expect, it } from "vitest";
import { decide } from "../../src/diff/rules.ts";
import type { Situation } from "../../src/diff/situation.ts";
import type { Usage } from "../../src/diff/usage.ts";
import type { Verdict } from "../../src/diff/verdict.ts";
import type { Intent } from "../../src/model/intent.ts";
import { DAY, HOUR, NOW, STRANGER, found, wish } from "../support/runtimes.ts";
import type { Asked } from "./situations.ts";
import { context, difference, situationOf } from "./situations.ts";

const desired = wish();
const current = found(desired);
const usage = (more: Partial<Usage> = {}): Usage => ({ busy: 0, idle_ms: HOUR, age_ms: HOUR, ...more });
const hold = { address: "agent/a", reason: "mine", by: "me", since: 0 };
const mark = { address: "agent/a", since: 0, reason: "idle for 25h" } as const;
const foreign = { name: desired.name, object_id: "x", why: "belongs to somebody" };
const others = found(desired, {
  object_id: "n",
  name: `${desired.name}.new`,
  labels: { owner: STRANGER, candidate_until: NOW + 5 },
});

const standing: Partial<Situation> = { desired, current, usage: usage() };
const orphaned: Partial<Situation> = { current, usage: usage() };
const missing: Partial<Situation> = { desired };

const live = difference("memory.cpus", { class: "live" });
const stopped = difference("state", { class: "live", origin: "live", why: "it was stopped" });
const drift = difference("env.A");

const destroy = (unprotect = false): Intent => ({ mode: "destroy", unprotect });
const prune = (more: Partial<Extract<Intent, { mode: "prune" }>> = {}): Intent => ({
  mode: "prune",
  orphans: false,
  ...more,
});
const recreate: Asked = { intent: { mode: "recreate", targets: ["agent/a"] }, replaced: () => true };
const imageless = { why: "not locked", fix: "lock it" };
const woken: Asked = { woken: () => true };
const idled = { ...standing, usage: usage({ idle_ms: 2 * DAY, age_ms: 2 * DAY }) };
const aged = { ...standing, usage: usage({ age_ms: 8 * DAY }) };
const agedIdle = {
  ...standing,
  desired: wish({ settings: { prune: { idle: 9 * DAY, max_age: DAY } } }),
  usage: usage({ idle_ms: 10 * DAY, age_ms: 10 * DAY }),
};
const never = wish({ settings: { disruption: { when: "never", max_wait: HOUR } } });

/** `action`, with what tells it from others of its kind. */
function tell(verdict: Verdict): string {
  switch (verdict.action) {
    case "none":
      return verdict.rest;
    case "blocked":
      return `blocked: ${verdict.rule}${verdict.deferred ? ", deferred" : ""}`;
    case "remove":
      return `remove: ${verdict.cause}, ${verdict.workspace}${verdict.dormant ? ", dormant" : ""}`;
    default:
      return verdict.action;
  }
}

type Row = [string, Partial<Situation>, Asked, string];

const ROWS: Row[] = [
  ["as declared", standing, {}, "up-to-date"],
  ["not among the targets", missing, { selected: () => false }, "unselected"],
  ["held, missing", { ...missing, hold }, {}, "held"],
  ["backing off", missing, { skip: new Set(["agent/a"]) }, "back-off"],
  ["somebody else is creating it", { ...missing, others }, {}, "blocked: candidate, deferred"],
  ["destroy", standing, { intent: destroy() }, "remove: requested, delete"],
  ["destroy, nothing there", missing, { intent: destroy() }, "absent"],
  ["destroy, only a mark there", { mark }, { intent: destroy() }, "remove: requested, delete"],
  [
    "destroy, only a leftover there",
    { ...missing, repairs: [{ kind: "remove", object: others, why: "" }] },
    { intent: destroy() },
    "remove: requested, delete",
  ],
  ["destroy, protected", { ...standing, protected: true }, { intent: destroy() }, "blocked: protected"],
  [
    "destroy, protected and told to",
    { ...standing, protected: true },
    { intent: destroy(true) },
    "remove: requested, delete",
  ],
  [
    "destroy, busy",
    { ...standing, usage: usage({ busy: 3 }) },
    { intent: destroy() },
    "remove: requested, delete",
  ],
  ["orphan", orphaned, {}, "remove: orphan, keep"],
  ["orphan, busy", { ...orphaned, usage: usage({ busy: 1 }) }, {}, "blocked: busy, deferred"],
  ["orphan, protected", { ...orphaned, protected: true }, {}, "blocked: protected"],
  ["orphan, already gone", {}, {}, "absent"],
  ["orphan, prune", orphaned, { intent: prune() }, "unselected"],
  ["orphan, prune --orphans", orphaned, { intent: prune({ orphans: true }) }, "remove: orphan, keep"],
  ["without a config nothing is an orphan", orphaned, { configless: true }, "up-to-date"],
  ["missing", missing, {}, "create"],
  ["never made", { ...missing, ephemeral: true }, {}, "ready"],
  ["never made, without an image", { ...missing, ephemeral: true, imageless }, {}, "blocked: image"],
  ["never made, destroy", { ...missing, ephemeral: true, imageless }, { intent: destroy() }, "ready"],
  ["missing, on-use", { desired: wish({ provision: "on-use" }) }, {}, "on-use"],
  ["missing, on-use, about to be used", { desired: wish({ provision: "on-use" }) }, woken, "create"],
  [
    "missing, on-use, replacement asked for",
    { desired: wish({ provision: "on-use" }) },
    { replaced: () => true },
    "create",
  ],
  ["missing, dormant", { ...missing, mark }, {}, "dormant"],
  ["missing, dormant, about to be used", { ...missing, mark }, woken, "create"],
  ["missing, dormant, recreate asked for", { ...missing, mark }, recreate, "create"],
  ["missing, prune", missing, { intent: prune() }, "absent"],
  ["missing, its name taken", { ...missing, foreign }, {}, "blocked: foreign"],
  ["replacement asked for", standing, recreate, "recreate"],
  ["replacement asked for, busy", { ...standing, usage: usage({ busy: 1 }) }, recreate, "recreate"],
  ["replacement asked for, never disrupted", { ...standing, desired: never }, recreate, "recreate"],
  ["replacement asked for, protected", { ...standing, protected: true }, recreate, "blocked: protected"],
  ["replacement asked for, a name taken", { ...standing, foreign }, recreate, "blocked: foreign"],
  ["idle past prune.idle", idled, {}, "remove: idle, keep, dormant"],
  [
    "idle, prune.idle off",
    { ...idled, desired: wish({ settings: { prune: { idle: "off", max_age: "off" } } }) },
    {},
    "up-to-date",
  ],
  [
    "idle, not for as long as prune --idle says",
    standing,
    { intent: prune({ idle: 2 * HOUR }) },
    "up-to-date",
  ],
  [
    "idle, as long as prune --idle says",
    standing,
    { intent: prune({ idle: HOUR }) },
    "remove: idle, keep, dormant",
  ],
  ["idle, unknown", { ...standing, usage: { busy: 0, age_ms: 2 * DAY } }, {}, "up-to-date"],
  [
    "idle, unknown, prune",
    { ...standing, usage: { busy: 0, age_ms: 2 * DAY } },
    { intent: prune({ idle: 0 }) },
    "up-to-date",
  ],
  ["idle, busy", { ...standing, usage: usage({ busy: 1, idle_ms: 2 * DAY }) }, {}, "up-to-date"],
  ["idle, about to be used", idled, woken, "up-to-date"],
  ["idle, protected", { ...idled, protected: true }, {}, "protected"],
  ["idle, recreate asked for", idled, recreate, "recreate"],
  [
    "idle without a config, prune --idle",
    { ...orphaned, usage: usage() },
    { configless: true, intent: prune({ idle: HOUR }) },
    "remove: idle, keep, dormant",
  ],
  ["older than prune.max_age, in use", aged, {}, "recreate"],
  ["older, its use unknown", { ...aged, usage: { busy: 0, age_ms: 8 * DAY } }, {}, "recreate"],
  [
    "older, busy",
    { ...aged, usage: usage({ busy: 1, idle_ms: 0, age_ms: 8 * DAY }) },
    {},
    "blocked: busy, deferred",
  ],
  ["older, never disrupted", { ...aged, desired: never }, {}, "blocked: disruption"],
  ["older and not in use", agedIdle, {}, "remove: idle, keep, dormant"],
  [
    "older and not in use, prune --older-than",
    { ...standing, usage: usage({ idle_ms: 10 * DAY, age_ms: 10 * DAY }) },
    { intent: prune({ idle: 99 * DAY, older_than: DAY }) },
    "remove: age, keep, dormant",
  ],
  ["older, protected", { ...aged, protected: true }, {}, "protected"],
  [
    "older, prune without a config",
    { ...orphaned, usage: usage({ age_ms: 8 * DAY }) },
    { configless: true, intent: prune({ older_than: DAY }) },
    "unselected",
  ],
  ["prune changes nothing else", { ...standing, differences: [drift] }, { intent: prune() }, "up-to-date"],
  ["must be replaced", { ...standing, differences: [live, drift] }, {}, "recreate"],
  [
    "must be replaced, busy",
    { ...standing, usage: usage({ busy: 1 }), differences: [drift] },
    {},
    "blocked: busy, deferred",
  ],
  [
    "must be replaced, never disrupted",
    { ...standing, desired: never, differences: [drift] },
    {},
    "blocked: disruption",
  ],
  [
    "must be replaced, protected",
    { ...standing, protected: true, differences: [drift] },
    {},
    "blocked: protected",
  ],
  ["must be replaced, a name taken", { ...standing, foreign, differences: [drift] }, {}, "blocked: foreign"],
  ["can be mended", { ...standing, differences: [live] }, {}, "update"],
  ["can be mended, busy", { ...standing, usage: usage({ busy: 1 }), differences: [live] }, {}, "update"],
  ["can be mended, never disrupted", { ...standing, desired: never, differences: [live] }, {}, "update"],
  ["can be mended, protected", { ...standing, protected: true, differences: [live] }, {}, "update"],
  ["can be mended, protected and idle", { ...idled, protected: true, differences: [live] }, {}, "update"],
  ["can be mended, protected and old", { ...aged, protected: true, differences: [live] }, {}, "update"],
  ["can be mended, old and never disrupted", { ...aged, desired: never, differences: [live] }, {}, "update"],
  [
    "must be replaced, protected and idle",
    { ...idled, protected: true, differences: [drift] },
    {},
    "blocked: protected",
  ],
  ["stopped, protected and idle", { ...idled, protected: true, differences: [stopped] }, {}, "start"],
  ["stopped", { ...standing, differences: [stopped] }, {}, "start"],
  ["stopped, and can be mended", { ...standing, differences: [stopped, live] }, {}, "update"],
  ["a name taken that nothing needs", { ...standing, foreign }, {}, "up-to-date"],
  [
    "a name taken that a repair needs",
    {
      ...standing,
      foreign,
      repairs: [{ kind: "rename", object: current, to: foreign.name, why: "", stray: true }],
    },
    {},
    "blocked: foreign",
  ],
  [
    "a name taken that a removal does not need",
    {
      ...orphaned,
      foreign,
      repairs: [{ kind: "rename", object: current, to: foreign.name, why: "", stray: true }],
    },
    {},
    "remove: orphan, keep",
  ],
  ["a second runtime, protected", { ...standing, spared: current }, {}, "blocked: protected"],
  [
    "a second runtime, busy",
    { ...standing, spared: { ...current, execs: 1 } },
    {},
    "blocked: busy, deferred",
  ],
  [
    "a second runtime, but something else is due",
    { ...standing, spared: current, differences: [live] },
    {},
    "update",
  ],
];

describe("what happens to an address", () => {
  it.each(ROWS)("%s", (_title, situation, asked, expected) => {
    expect(tell(decide(situationOf(situation), context(asked)))).toBe(expected);
  });
});

describe("which row wins", () => {
  /** From the strongest down: each beats all that follow. */
  const LADDER: [string, Partial<Situation>, Asked, string][] = [
    ["not selected", {}, { selected: () => false }, "unselected"],
    ["a hold", { hold }, {}, "held"],
    ["a back-off", {}, { skip: new Set(["agent/a"]) }, "back-off"],
    ["another's creation", { others }, {}, "blocked: candidate, deferred"],
    ["idleness", { usage: usage({ idle_ms: 2 * DAY, age_ms: 8 * DAY }) }, {}, "remove: idle, keep, dormant"],
    ["age", { usage: usage({ age_ms: 8 * DAY }) }, {}, "recreate"],
    ["drift", { differences: [live, drift] }, {}, "recreate"],
    ["mending", { differences: [live] }, {}, "update"],
    ["a second runtime", { spared: current }, {}, "blocked: protected"],
  ];

  it.each(LADDER.map((row, index) => [row[0], row, LADDER.slice(index + 1)] as const))(
    "%s beats what follows it",
    (_title, [, situation, asked, expected], weaker) => {
      for (const [, other, otherAsked] of weaker) {
        const both = situationOf({ ...standing, ...other, ...situation });
        expect(tell(decide(both, context({ ...otherAsked, ...asked })))).toBe(expected);
      }
    },
  );

  it.each<[string, Asked]>([
    ["destroy", { intent: destroy(true) }],
    ["recreate", recreate],
    ["prune", { intent: prune({ idle: 0, older_than: 0, orphans: true }) }],
    ["a use", woken],
  ])("a hold beats %s, whatever else is the case", (_title, asked) => {
    for (const situation of [
      missing,
      standing,
      orphaned,
      idled,
      aged,
      { ...missing, mark },
      { ...missing, others },
      { ...standing, differences: [drift] },
    ]) {
      expect(tell(decide(situationOf({ ...situation, hold }), context(asked)))).toBe("held");
    }
  });

  it("a person's word beats idleness and age, not protection", () => {
    for (const situation of [idled, aged]) {
      expect(tell(decide(situationOf(situation), context(recreate)))).toBe("recreate");
      expect(tell(decide(situationOf({ ...situation, protected: true }), context(recreate)))).toBe(
        "blocked: protected",
      );
    }
  });
});

describe("why it happens", () => {
  it("names the paths, and carries every difference", () => {
    const verdict = decide(
      situationOf({ ...standing, differences: [live, drift, difference("docker.image")] }),
      context(),
    );
    expect(verdict).toMatchObject({
      why: "env.A, docker.image can only be changed by replacing it",
      origin: "config",
    });
    expect(verdict).toMatchObject({ reasons: { length: 3 } });
    expect(decide(situationOf({ ...standing, differences: [live] }), context()).why).toBe(
      "memory.cpus can be changed in place",
    );
    expect(decide(situationOf({ ...standing, differences: [stopped] }), context()).why).toBe(
      "it was stopped",
    );
  });

  it("tells measured times beside their limits, with the place of the limit", () => {
    expect(decide(situationOf(idled), context())).toMatchObject({
      why: expect.stringContaining("idle for 2d, longer than 1d"),
      reasons: [{ path: "idle", before: "2d", after: "1d", source: { line: 7 } }],
    });
    expect(decide(situationOf(aged), context())).toMatchObject({
      why: "8d old, older than 7d",
      reasons: [{ path: "age", before: "8d", after: "7d" }],
    });
  });
});
