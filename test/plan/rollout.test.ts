import { describe, expect, it } from "vitest";
import type { DesiredRuntime } from "../../src/desire/desire.ts";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import type { Address } from "../../src/model/names.ts";
import type { ObservedRuntime } from "../../src/model/observed.ts";
import type { Change, Plan } from "../../src/model/plan.ts";
import type { RolloutSettings } from "../../src/model/rollout.ts";
import { rolloutWords } from "../../src/model/rollout.ts";
import { changeKey, keyOf } from "../../src/plan/chain.ts";
import type { Found } from "../support/runtimes.ts";
import { DAY, HOUR, NOW, found, seen, wish } from "../support/runtimes.ts";
import type { World } from "./planned.ts";
import { planned } from "./planned.ts";

const NAMES = ["a", "b", "c", "d", "e"] as const;
const addressOf = (name: string): Address => `agent/${name}`;
const wishes = (options: object, names: readonly string[] = NAMES): DesiredRuntime[] =>
  names.map((name) =>
    wish({ address: addressOf(name), settings: { options: { network: "none", ...options } } }),
  );

/** What earlier settings made, each under an id of its own. */
function made(options: object = {}, names: readonly string[] = NAMES, more: Found = {}): ObservedRuntime[] {
  return wishes(options, names).map((each, index) =>
    found(each, { object_id: `object-${names[index]}`, ...more }),
  );
}

const bridged: World = { desired: wishes({ network: "bridge" }), observations: [seen(made())] };

function roll(rollout: Partial<RolloutSettings>, world: World = bridged): Plan {
  return planned({ ...world, rollout });
}

/** `c` of `agent/c`, per wave. */
function waves(plan: Plan): string[][] {
  const found_: string[][] = [];
  for (const { address, rollout } of plan.changes) {
    if (rollout !== null) (found_[rollout.wave - 1] ??= []).push(address.slice("agent/".length));
  }
  return found_;
}

interface Edges {
  readonly needs: string[];
  readonly after: string[];
}

/** Addresses of other changes whose last step a change's first step waits for; nothing else crosses changes. */
function edges(plan: Plan): Record<string, Edges> {
  const lasts = new Map(
    plan.changes.map((change) => {
      const own = plan.graph.filter(({ id }) => keyOf(id) === changeKey(place(change)));
      return [own.findLast((node) => !node.compensates)?.id, change.address];
    }),
  );
  const out: Record<string, Edges> = {};
  for (const change of plan.changes) {
    const own = plan.graph.filter(({ id }) => keyOf(id) === changeKey(place(change)));
    const first = own.find((node) => !node.compensates);
    const foreign = (ids: readonly string[]): string[] =>
      ids.filter((id) => !id.startsWith("fetch@") && keyOf(id) !== keyOf(own[0]?.id ?? ""));
    for (const node of own) {
      if (node === first) continue;
      expect([...foreign(node.depends_on), ...foreign(node.after)]).toEqual([]);
    }
    const named = (ids: readonly string[]): string[] =>
      foreign(ids).map((id) => lasts.get(id)?.slice("agent/".length) ?? `no last step: ${id}`);
    out[change.address.slice("agent/".length)] = {
      needs: named(first?.depends_on ?? []),
      after: named(first?.after ?? []),
    };
  }
  return out;
}

function place({ address, backend, host }: Change): Parameters<typeof changeKey>[0] {
  return { address, backend, host };
}

const canaries = (plan: Plan): string[] =>
  plan.changes.filter(({ rollout }) => rollout?.canary === true).map(({ address }) => address);

describe("the order of replacements", () => {
  it("begins with one, and everything else waits for its success", () => {
    const plan = roll({});
    expect(waves(plan)).toEqual([["a"], ["b", "c", "d", "e"]]);
    expect(canaries(plan)).toEqual(["agent/a"]);
    const behind = { needs: ["a"], after: [] };
    expect(edges(plan)).toEqual({ a: { needs: [], after: [] }, b: behind, c: behind, d: behind, e: behind });
    expect(plan.changes[3]?.rollout).toMatchObject({ wave: 2, waits_for: ["agent/a"], pauses: true });
  });

  it("goes on in waves of max_parallel, each after the one before it", () => {
    const plan = roll({ max_parallel: 2 });
    expect(waves(plan)).toEqual([["a"], ["b", "c"], ["d", "e"]]);
    expect(edges(plan)).toMatchObject({
      b: { needs: ["a"], after: [] },
      d: { needs: ["b", "c"], after: [] },
      e: { needs: ["b", "c"], after: [] },
    });
  });

  it("may begin with several, which are no more than max_parallel at once either", () => {
    expect(waves(roll({ canary: 2 }))).toEqual([
      ["a", "b"],
      ["c", "d", "e"],
    ]);
    const plan = roll({ canary: 3, max_parallel: 2 });
    expect(waves(plan)).toEqual([["a", "b"], ["c"], ["d", "e"]]);
    expect(edges(plan)).toMatchObject({ c: { needs: ["a", "b"] }, d: { needs: ["c"] } });
  });

  it("is none without a canary and without a limit", () => {
    const plan = roll({ canary: 0 });
    expect(waves(plan)).toEqual([["a", "b", "c", "d", "e"]]);
    expect(canaries(plan)).toEqual([]);
    expect(Object.values(edges(plan))).toEqual(NAMES.map(() => ({ needs: [], after: [] })));
  });

  it("is kept, and nothing more, where a failure does not pause", () => {
    const plan = roll({ pause_on_failure: false, max_parallel: 3 });
    expect(waves(plan)).toEqual([["a"], ["b", "c", "d"], ["e"]]);
    expect(edges(plan)).toMatchObject({
      b: { needs: [], after: ["a"] },
      e: { needs: [], after: ["b", "c", "d"] },
    });
  });

  it("is another plan, with another id", () => {
    const ids = [roll({}), roll({ canary: 2 }), roll({ pause_on_failure: false })].map(
      (each) => each.plan_id,
    );
    expect(new Set(ids).size).toBe(3);
    expect(roll({}).plan_id).toBe(ids[0]);
  });
});

describe("a change in place that the config asks for", () => {
  const grown: World = { desired: wishes({ memory: 2048 }), observations: [seen(made({ memory: 1024 }))] };

  it("takes its turn like a replacement", () => {
    const plan = roll({}, grown);
    expect(plan.summary.update).toBe(5);
    expect(waves(plan)).toEqual([["a"], ["b", "c", "d", "e"]]);
    expect(canaries(plan)).toEqual(["agent/a"]);
    expect(edges(plan)).toMatchObject({ b: { needs: ["a"], after: [] }, e: { needs: ["a"], after: [] } });
    expect(waves(roll({ max_parallel: 2 }, grown))).toEqual([["a"], ["b", "c"], ["d", "e"]]);
  });

  it("is one rollout with the replacements that bring the same", () => {
    const desired = [
      ...wishes({ memory: 2048, network: "bridge" }, ["a"]),
      ...wishes({ memory: 2048 }, ["b", "c"]),
    ];
    const plan = roll({}, { desired, observations: [seen(made({ memory: 1024 }, ["a", "b", "c"]))] });
    expect(plan.changes.map(({ actions }) => actions)).toEqual([["recreate"], ["update"], ["update"]]);
    expect(waves(plan)).toEqual([["a"], ["b", "c"]]);
  });

  it("is put off where its cause has failed before", () => {
    const causes = roll({}, grown).changes[0]?.rollout?.causes ?? [];
    const plan = planned({ ...grown, paused: [{ address: "agent/c", causes }] });
    expect(plan.blocked.map(({ address, rule }) => `${address} ${rule}`)).toEqual(
      ["a", "b", "d", "e"].map((name) => `agent/${name} rollout`),
    );
  });

  it("is none of it where somebody else made the change, or nothing runs that could fail of it", () => {
    const meddled = seen(made({ memory: 1024 }, NAMES, { fields: { "memory.memory": 7 } }));
    const repair = roll({}, { desired: wishes({ memory: 1024 }), observations: [meddled] });
    expect(repair.summary.update).toBe(5);
    expect(waves(repair)).toEqual([]);
    expect(repair.graph.map(({ op }) => op)).not.toContain("health");
    const folders = memoryDriver(createWorld({ lifecycle: "directory" }));
    const of = (env: object): DesiredRuntime[] =>
      NAMES.map((name) => wish({ address: addressOf(name), module: folders, settings: { env: { ...env } } }));
    const observations = [
      seen(of({}).map((each, index) => found(each, { object_id: `object-${NAMES[index]}` }))),
    ];
    const plan = roll({}, { desired: of({ A: "1" }), module: folders, observations });
    expect(plan.summary.update).toBe(5);
    expect(waves(plan)).toEqual([]);
    expect(plan.graph.map(({ op }) => op)).not.toContain("health");
  });
});

describe("what belongs to one rollout", () => {
  it("is what is replaced for one cause; another cause has a canary of its own", () => {
    const world: World = {
      desired: [...wishes({ network: "bridge" }, ["a", "b"]), ...wishes({ image: "img:b" }, ["c", "d"])],
      observations: [seen(made())],
    };
    const plan = roll({}, world);
    expect(waves(plan)).toEqual([
      ["a", "c"],
      ["b", "d"],
    ]);
    expect(edges(plan)).toMatchObject({ b: { needs: ["a"] }, d: { needs: ["c"] } });
    // Across rollouts only the limit counts, and a failure in one is none of the other's business.
    const limited = roll({ max_parallel: 1 }, world);
    expect(waves(limited)).toEqual([["a"], ["c"], ["b"], ["d"]]);
    expect(edges(limited)).toMatchObject({
      c: { needs: [], after: ["a"] },
      b: { needs: ["a"], after: ["c"] },
      d: { needs: ["c"], after: ["b"] },
    });
  });

  it("is joined by any cause that two have in common", () => {
    const plan = roll(
      {},
      {
        desired: [
          ...wishes({ network: "bridge" }, ["a"]),
          ...wishes({ network: "bridge", image: "img:b" }, ["b"]),
          ...wishes({ image: "img:b" }, ["c"]),
        ],
        observations: [seen(made({}, ["a", "b", "c"]))],
      },
    );
    expect(waves(plan)).toEqual([["a"], ["b", "c"]]);
  });

  it("is what a person asked to replace", () => {
    const plan = roll(
      {},
      {
        desired: wishes({}),
        observations: [seen(made())],
        intent: { mode: "recreate", targets: NAMES.map(addressOf) },
      },
    );
    expect(waves(plan)).toEqual([["a"], ["b", "c", "d", "e"]]);
  });

  it("is no repair: what was changed or fell ill behind our back goes back to what was proved", () => {
    for (const more of [{ health: "unhealthy" }, { fields: { "memory.network": "open" } }] as const) {
      const world: World = { desired: wishes({}), observations: [seen(made({}, NAMES, more))] };
      const plan = roll({}, world);
      expect(plan.summary.recreate).toBe(5);
      expect(waves(plan)).toEqual([[...NAMES]]);
      expect(waves(roll({ max_parallel: 4 }, world))).toEqual([["a", "b", "c", "d"], ["e"]]);
    }
  });

  it("is nobody's but a replacement's: what only grows old is not held up either", () => {
    const old = { created_at: NOW - 8 * DAY, labels: { created_at: NOW - 8 * DAY } };
    const activity = Object.fromEntries(NAMES.map((name) => [addressOf(name), NOW - HOUR]));
    const plan = roll(
      {},
      { desired: wishes({}), observations: [seen(made({}, NAMES, old))], facts: { activity } },
    );
    expect(plan.summary.recreate).toBe(5);
    expect(waves(plan)).toEqual([[...NAMES]]);
    const creates = roll({}, { desired: wishes({}) });
    expect(creates.changes.map(({ rollout }) => rollout)).toEqual(NAMES.map(() => null));
  });
});

describe("a cause that failed before", () => {
  const causes = roll({}).changes[0]?.rollout?.causes ?? [];
  const paused = [{ address: "agent/c", causes }];

  it("is not tried on others, and the plan says for whom they wait", () => {
    const plan = planned({ ...bridged, paused });
    expect(
      plan.changes.filter(({ actions }) => actions[0] !== "no-op").map(({ address }) => address),
    ).toEqual(["agent/c"]);
    expect(plan.blocked).toHaveLength(4);
    expect(plan.blocked[0]).toMatchObject({ rule: "rollout", deferred: true, until: null });
    expect(plan.blocked[0]?.why).toContain("the rollout is paused: agent/c failed");
    expect(plan.exit_code).toBe(0);
  });

  it("leaves alone what is replaced for another one", () => {
    const desired = [...wishes({ image: "img:b" }, ["a"]), ...wishes({ network: "bridge" }, ["b"])];
    const plan = planned({ desired, observations: [seen(made({}, ["a", "b"]))], paused });
    expect(plan.blocked.map(({ address }) => address)).toEqual(["agent/b"]);
  });

  it("spares what runs: for one that is down a replacement is a chance", () => {
    const plan = planned({ ...bridged, observations: [seen(made({}, NAMES, { state: "stopped" }))], paused });
    expect(plan.blocked).toEqual([]);
  });
});

it.each([
  [{ canary: true, waits_for: [] }, "canary: goes first"],
  [{ waits_for: [] }, undefined],
  [{ waits_for: ["agent/a"] }, "wave 2: waits for agent/a, and for its success"],
  [{ waits_for: ["agent/a"], pauses: false }, "wave 2: waits for agent/a, whatever becomes of it"],
  [{ waits_for: ["a", "b", "c", "d", "e"] }, "wave 2: waits for a, b, c, 2 more"],
])("tells people %j as %s", (place_, words) => {
  const usual = { canary: false, wave: 2, pauses: true, causes: [] };
  expect(rolloutWords({ ...usual, ...place_ })).toBe(words);
});
