import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { standing } from "../../src/diff/situation.ts";
import { slotOf } from "../../src/model/names.ts";
import type { Plan } from "../../src/model/plan.ts";
import { engineKey } from "../../src/observe/engines.ts";
import { decideAll, planFrom } from "../../src/plan/decide.ts";
import { explainFleet } from "../../src/plan/explain.ts";
import { listFleet } from "../../src/plan/listing.ts";
import type { Survey } from "../../src/plan/survey.ts";
import { planFleet } from "../../src/reconcile.ts";
import { disturb, disturbance, history, live } from "../support/fleet-arbitraries.ts";
import { DAY, Lab, MINUTE, acting, portrait, runs } from "../support/memory-fleet.ts";

/** A plan without what the config's text moves: lines, hashes of files, and the time. */
function strip({ source, plan_id, created_at, diagnostics, ...rest }: Plan): object {
  void [source, plan_id, created_at, diagnostics];
  const text = JSON.stringify(rest, (key, value: unknown) => (key === "source" ? null : value));
  return JSON.parse(text) as object;
}

/** Addresses a plan gives a reason for leaving as they are. */
function told(plan: Plan): Set<string> {
  return new Set([...plan.blocked, ...plan.held, ...plan.dormant].map(({ address }) => address));
}

function heldBy(seen: Survey): (address: string) => boolean {
  const held = new Set(seen.facts.holds.map(({ address }) => address));
  return (address) => held.has("fleet") || held.has(address);
}

/** An engine that no agent uses any more is known from the state directory alone, which may be lost. */
function lookedAt(seen: Survey): Set<string> {
  return new Set(seen.observations.map(({ host }) => host));
}

/** Finished runtimes that a config or a label protects: all but leftovers of interrupted replacements. */
function protectedIds(seen: Survey): string[] {
  const ids: string[] = [];
  for (const observation of seen.observations) {
    if (observation.status !== "complete") continue;
    for (const address of new Set(observation.runtimes.map((each) => each.labels.address))) {
      const wanted = seen.desired.find(
        (each) => each.address === address && engineKey(each) === engineKey(observation),
      );
      const primaries = observation.runtimes.filter(
        (each) => each.labels.address === address && each.labels.role === "primary",
      );
      const name = wanted?.name ?? primaries[0]?.labels.name ?? "";
      const { current } = standing(name, primaries, seen.facts.owner, seen.now);
      const strays = primaries.filter((each) => slotOf(each.name, name) === undefined);
      const finished = [...new Set([...(current === undefined ? [] : [current]), ...strays])];
      ids.push(
        ...finished
          .filter((each) => wanted?.settings.protect ?? (current ?? each).labels.protect)
          .map((each) => each.object_id),
      );
    }
  }
  return ids;
}

describe("apply", () => {
  it("leaves nothing to be done but what it tells of, and a second one changes nothing", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (past) => {
        await using lab = new Lab(past);
        await live(lab, past);
        const { plan, result } = await lab.apply();
        expect(result.outcomes.filter(({ status }) => status !== "done" && status !== "skipped")).toEqual([]);
        const after = await lab.plan();
        expect(acting(after)).toEqual([]);
        const reasons = told(after);
        const seen = await lab.look();
        for (const { address, name, host, provision, ...engine } of seen.desired) {
          const found = lab.world.machine(host).names.get(name);
          if (reasons.has(address) || (found === undefined && provision === "on-use")) continue;
          expect([engine.backend, name, found?.state]).toEqual([engine.backend, name, "running"]);
        }
        const looked = lookedAt(seen);
        for (const { id, name, decoded } of lab.primaries()) {
          const address = decoded?.address ?? "";
          if (decoded?.fleet_id !== "k3v9q2" || reasons.has(address)) continue;
          if (!looked.has(lab.hostOf(id))) continue;
          expect(seen.desired.map((each) => each.name)).toContain(name);
        }
        lab.writes();
        const again = await lab.apply();
        expect(lab.writes()).toBe(0);
        expect(again.result.calls.write).toBe(0);
        expect(again.plan.plan_id).toBe(after.plan_id);
        expect(plan.complete).toBe(true);
      }),
      { numRuns: runs(150) },
    );
  });

  it("never touches what is foreign, held or protected", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (past) => {
        await using lab = new Lab(past);
        await live(lab, past);
        const seen = await lab.look();
        const held = heldBy(seen);
        const untouchable = lab
          .objects()
          .filter(({ decoded }) => decoded?.fleet_id !== "k3v9q2" || held(decoded.address));
        const before = untouchable.map((each) => portrait(each));
        const kept = protectedIds(seen);
        await lab.apply();
        const now = new Map(lab.objects().map((each) => [each.id, each]));
        const after = untouchable.map(({ id }) => {
          const object = now.get(id);
          return object && portrait(object);
        });
        expect(after).toEqual(before);
        expect(kept.filter((id) => !now.has(id))).toEqual([]);
      }),
      { numRuns: runs(100) },
    );
  });

  it("never takes away what is in use unless its policy says so", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (past) => {
        await using lab = new Lab(past);
        await live(lab, past);
        const seen = await lab.look();
        const runs_ = new Set(seen.facts.open_runs.map(({ address }) => address));
        const now = new Set(
          seen.desired.filter((each) => each.settings.disruption.when === "now").map((each) => each.address),
        );
        const used = lab
          .primaries()
          .filter(
            ({ decoded, running, state, name }) =>
              state === "running" &&
              decoded !== undefined &&
              !now.has(decoded.address) &&
              (running.size > 0 || (runs_.has(decoded.address) && name === decoded.name)),
          );
        // A candidate or predecessor by name is no finished runtime, whoever is in it.
        const finished = used.filter(
          ({ name, decoded }) => !/\.(?:new|old)$/.test(name) || decoded === undefined,
        );
        await lab.apply();
        const left = new Set(lab.objects().map(({ id }) => id));
        expect(finished.filter(({ id }) => !left.has(id)).map(({ name }) => name)).toEqual([]);
      }),
      { numRuns: runs(80) },
    );
  });
});

describe("a plan", () => {
  it("depends on nothing but what there is: not on the order of agents, sessions, keys or runtimes", async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.infiniteStream(fc.nat()), async (past, stream) => {
        await using lab = new Lab(past);
        await live(lab, past);
        const plan = await lab.plan();
        const seen = await lab.look();
        const shuffle = <T>(values: readonly T[]): T[] =>
          values
            .map((value) => [stream.next().value, value] as const)
            .toSorted(([a], [b]) => a - b)
            .map(([, value]) => value);
        const observations = seen.observations.map((each) =>
          each.status === "complete"
            ? {
                ...each,
                runtimes: shuffle(each.runtimes),
                foreign: shuffle(each.foreign),
                dormant: shuffle(each.dormant),
              }
            : each,
        );
        const other = { ...seen, observations, desired: seen.desired };
        const request = { intent: { mode: "apply" } } as const;
        const decisions = decideAll(other, request);
        const weighed = await lab.measure(other, decisions);
        const replanned = planFrom(weighed, decisions, request, "0.0.0");
        expect(replanned).toEqual(plan);

        const config = JSON.parse(JSON.stringify(past.next ?? past.config)) as {
          agents: Record<string, { sessions?: string[] }>;
        };
        const agents = shuffle(Object.entries(config.agents)).map(([name, agent]) => [
          name,
          agent.sessions === undefined ? agent : { ...agent, sessions: shuffle(agent.sessions) },
        ]);
        await lab.write({ ...config, agents: Object.fromEntries(agents) });
        const rewritten = await lab.plan();
        expect(strip(rewritten)).toEqual(strip(plan));
      }),
      { numRuns: runs(80) },
    );
  });

  it("has an id that equal input gives again, whatever the time and the tool's version", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (past) => {
        await using lab = new Lab(past);
        await live(lab, past);
        const first = await lab.plan();
        expect(await lab.plan()).toEqual(first);
        lab.time.advance(7_000);
        const second = await planFleet(
          { ...lab.engine(), toolVersion: "9.9.9" },
          { intent: { mode: "apply" } },
        );
        expect(second).toMatchObject({ plan: { plan_id: first.plan_id, tool_version: "9.9.9" } });
      }),
      { numRuns: runs(60) },
    );
  });

  it("for tomorrow is the plan that will be made tomorrow", async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.constantFrom(MINUTE, 25 * 60 * MINUTE, 8 * DAY), async (past, at) => {
        await using lab = new Lab(past);
        await live(lab, past);
        await lab.apply();
        const simulated = await lab.plan({ at });
        lab.time.advance(at);
        expect(simulated.at).not.toBeNull();
        expect(await lab.plan()).toEqual({ ...simulated, at: null });
      }),
      { numRuns: runs(60) },
    );
  });

  it("makes no mutating call, and neither do explain and list", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (past) => {
        await using lab = new Lab(past);
        await live(lab, past);
        lab.writes();
        const before = lab.objects().map((each) => portrait(each));
        const engine = lab.engine();
        await lab.plan();
        await lab.plan({ at: DAY });
        await lab.plan({ intent: { mode: "prune", orphans: true } });
        await lab.plan({ intent: { mode: "destroy", unprotect: true } });
        await explainFleet(engine, {});
        await listFleet(engine, { all: true });
        expect(lab.writes()).toBe(0);
        expect(lab.objects().map((each) => portrait(each))).toEqual(before);
      }),
      { numRuns: runs(40) },
    );
  });

  it("is empty again after the state directory is lost, and dormant ones stay dormant", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (past) => {
        await using lab = new Lab(past);
        await live(lab, past);
        await lab.apply();
        const before = await lab.plan();
        fc.pre(before.held.length === 0 && before.blocked.length === 0);
        lab.forget();
        const after = await lab.plan();
        expect(acting(after)).toEqual([]);
        expect(after.dormant.map(({ address }) => address)).toEqual(
          before.dormant.map(({ address }) => address),
        );
      }),
      { numRuns: runs(60) },
    );
  });
});

describe("destroy", () => {
  it("leaves nothing of the fleet that is not protected or held, and everything of others", async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.boolean(), async (past, unprotect) => {
        await using lab = new Lab(past);
        await live(lab, past);
        const seen = await lab.look();
        const held = heldBy(seen);
        const others = lab.objects().filter(({ decoded }) => decoded?.fleet_id !== "k3v9q2");
        const kept = new Set(protectedIds(seen));
        const { plan } = await lab.intent({ mode: "destroy", unprotect });
        const left = lab.objects();
        expect(others.every(({ id }) => left.some((each) => each.id === id))).toBe(true);
        const looked = lookedAt(seen);
        const mine = left.filter(
          ({ id, decoded }) => decoded?.fleet_id === "k3v9q2" && looked.has(lab.hostOf(id)),
        );
        const waiting = new Set(plan.blocked.map(({ address }) => address));
        const unexplained = mine.filter(
          ({ id, decoded }) =>
            !held(decoded?.address ?? "") && !kept.has(id) && !waiting.has(decoded?.address ?? ""),
        );
        expect(unexplained.map(({ name }) => name)).toEqual([]);
        if (unprotect) expect(plan.blocked.filter(({ rule }) => rule === "protected")).toEqual([]);
      }),
      { numRuns: runs(60) },
    );
  });
});

describe("many applies", () => {
  it("between which anything happens never double a runtime", async () => {
    const stories = fc.record({
      past: history,
      turns: fc.array(fc.array(disturbance, { maxLength: 2 }), { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(stories, async ({ past, turns }) => {
        await using lab = new Lab(past);
        await live(lab, past);
        for (const turn of turns) {
          await lab.apply();
          for (const each of turn) await disturb(lab, each);
        }
        await lab.apply();
        // An address has one verdict, and what was due came first: what is left is told by the next plan.
        const reasons = told(await lab.plan());
        const looked = lookedAt(await lab.look());
        const names = lab
          .primaries()
          .filter(({ decoded }) => decoded?.fleet_id === "k3v9q2" && !reasons.has(decoded.address))
          .map(({ id, decoded }) => ({ host: lab.hostOf(id), address: decoded?.address }))
          .filter(({ host }) => looked.has(host))
          .map(({ host, address }) => `${address} ${host}`);
        expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
      }),
      { numRuns: runs(60) },
    );
  });
});
