// Strikes a change at one driver call and lets one more apply put it right.
import PQueue from "p-queue";
import { expect } from "vitest";
import type { Fault, FaultEffect } from "../../src/drivers/memory/faults.ts";
import { listBundles } from "../../src/state/bundles.ts";
import type { Intent } from "../../src/model/intent.ts";
import type { Applied } from "../support/memory-fleet.ts";
import { HOSTS, Lab, MINUTE, acting } from "../support/memory-fleet.ts";

export type Lifecycle = "process" | "directory";

export interface Flow {
  readonly name: string;
  readonly lifecycles?: readonly Lifecycle[];
  readonly before: object;
  readonly happen?: (lab: Lab) => Promise<void> | void;
  readonly after?: object;
  readonly intent?: Intent;
  /** What the next apply of a person or a loop would ask for; the same again where absent. */
  readonly recovery?: Intent;
}

/** Who comes next: the same machine, the same one without its state, another one, or whoever finds a dead one's state. */
type Recovery = "same" | "without state" | "another machine" | "after a death";

interface Strike {
  readonly name: string;
  readonly effect: FaultEffect;
  readonly recoveries: readonly Recovery[];
  /** Reads change nothing, so before and after are the same for them. */
  readonly reads?: boolean;
}

const fail = (when: "before" | "after", as: "transient" | "terminal" | "unreachable"): Strike => ({
  name: `fails (${as}) ${when}`,
  effect: { kind: "fail", when, as },
  recoveries: ["same"],
  reads: when === "before" && as === "unreachable",
});

const STRIKES: readonly Strike[] = [
  {
    name: "killed before",
    effect: { kind: "kill", when: "before", how: "throw" },
    recoveries: ["same"],
    reads: true,
  },
  {
    name: "killed after",
    effect: { kind: "kill", when: "after", how: "throw" },
    recoveries: ["same", "without state", "another machine"],
  },
  { name: "dead after", effect: { kind: "kill", when: "after", how: "hang" }, recoveries: ["after a death"] },
  fail("before", "transient"),
  fail("before", "terminal"),
  fail("before", "unreachable"),
  fail("after", "terminal"),
  fail("after", "unreachable"),
  { name: "answer lost", effect: { kind: "lost" }, recoveries: ["same"] },
];

export interface Struck {
  readonly calls: number;
  readonly cases: number;
  /** What the next apply did not put right. */
  readonly failures: readonly string[];
}

/** Strikes with everything everywhere, several worlds at a time: most of an apply is waiting for files. */
export async function strikeAll(flow: Flow, lifecycle: Lifecycle): Promise<Struck> {
  const { calls, cases } = await matrixOf(flow, lifecycle);
  const failures: string[] = [];
  const queue = new PQueue({ concurrency: 8 });
  await queue.addAll(
    cases.map((each) => async () => {
      try {
        await strike(flow, lifecycle, each);
      } catch (error) {
        failures.push(`call ${each.nth} ${each.blow.name}, then ${each.recovery}: ${String(error)}`);
      }
    }),
  );
  return { calls, cases: cases.length, failures };
}

/** Every blow at every call where it can make a difference; `npm run test:crash` leaves out none, and has twice as many. */
async function matrixOf(flow: Flow, lifecycle: Lifecycle): Promise<{ calls: number; cases: Case[] }> {
  const log = await callsOf(flow, lifecycle);
  const cases = log.flatMap((write, index) =>
    STRIKES.filter(({ reads }) => write || EVERY_BLOW || reads === true).flatMap((blow) =>
      blow.recoveries.map((recovery) => ({ nth: index + 1, blow, recovery })),
    ),
  );
  return { calls: log.length, cases };
}

interface Case {
  readonly nth: number;
  readonly blow: Strike;
  readonly recovery: Recovery;
}

const APPLY: Intent = { mode: "apply" };
const EVERY_BLOW = process.env["SANDKEEP_CRASH"] === "all";

async function prepare(flow: Flow, lifecycle: Lifecycle): Promise<Lab> {
  const lab = new Lab({ lifecycle });
  await lab.write(flow.before);
  await lab.apply();
  await flow.happen?.(lab);
  if (flow.after !== undefined) await lab.write(flow.after);
  return lab;
}

/** Two that run at once under one address are what must never be, not even for a moment. */
function watchForTwins(lab: Lab): string[] {
  const found: string[] = [];
  if (lab.world.lifecycle === "directory") return found;
  const look = (): boolean => {
    const running = lab.primaries().filter(({ state }) => state === "running");
    const places = running.map(({ id, decoded }) => `${decoded?.address} on ${lab.hostOf(id)}`);
    found.push(...places.filter((place, index) => places.indexOf(place) !== index));
    return false;
  };
  lab.world.inject({ matches: look, effect: { kind: "delay", ms: 0 } });
  return found;
}

/** The driver calls that the change makes when nothing goes wrong: true for those that write. */
async function callsOf(flow: Flow, lifecycle: Lifecycle): Promise<boolean[]> {
  await using lab = await prepare(flow, lifecycle);
  lab.world.resetCalls();
  await lab.apply({ intent: flow.intent ?? APPLY }, "one", { parallelism: 1 });
  return lab.world.log.map(({ write }) => write);
}

function healthy(lab: Lab): Set<string> {
  return new Set(
    lab
      .primaries()
      .filter(({ state }) => state === "running")
      .map(({ decoded }) => decoded?.address ?? ""),
  );
}

/** Throws what is wrong after the next apply. */
async function strike(flow: Flow, lifecycle: Lifecycle, { nth, blow, recovery }: Case): Promise<void> {
  await using lab = await prepare(flow, lifecycle);
  const before = healthy(lab);
  const worked = workedIn(lab);
  const twins = watchForTwins(lab);
  const fault: Fault = { nth, effect: blow.effect };
  lab.world.inject(fault);
  const applied = lab
    .apply({ intent: flow.intent ?? APPLY }, "one", { parallelism: 1 })
    .catch(() => undefined);
  const dead = blow.effect.kind === "kill" && blow.effect.how === "hang";
  await (dead ? Promise.race([lab.world.killed(), applied]) : applied);
  lab.world.clearFaults();
  const machine = { same: "one", "without state": "one", "another machine": "two", "after a death": "heir" }[
    recovery
  ];
  const kept = (): Promise<string[]> => goneUnkept(lab, worked, machine);
  expect(await goneUnkept(lab, worked, "one")).toEqual([]);
  if (recovery === "after a death") await lab.inherit("one", machine);
  if (recovery === "without state") lab.forget();
  // What went before is kept elsewhere, or was lost with the state.
  for (const id of worked) if (!present(lab).has(id)) worked.delete(id);
  // What another one began is left alone for as long as it may be at work.
  if (recovery === "without state" || recovery === "another machine") lab.time.advance(21 * MINUTE);
  lab.world.revive();
  twins.push(...watchForTwins(lab));
  const intent = flow.recovery ?? flow.intent ?? APPLY;
  const { result } = await lab.apply({ intent }, machine);
  expect(result.outcomes.filter(({ status }) => status !== "done")).toEqual([]);
  lab.writes();
  const after = await lab.apply({ intent }, machine);
  expect(lab.writes()).toBe(0);
  expect(twins).toEqual([]);
  expectConverged(lab, intent, before, after);
  expect(await kept()).toEqual([]);
}

const present = (lab: Lab): Set<string> => new Set(lab.objects().map(({ id }) => id));

/** Ids of runtimes whose files the config wants kept and that hold some. */
function workedIn(lab: Lab): Set<string> {
  const found = lab.primaries().filter(({ files, decoded }) => files.entries.size > 0 && decoded?.salvage);
  return new Set(found.map(({ id }) => id));
}

/** Those that are gone although this state directory has no bundle of them. */
async function goneUnkept(lab: Lab, worked: ReadonlySet<string>, machine: string): Promise<string[]> {
  const { whole } = await listBundles(lab.state(machine));
  const there = present(lab);
  return [...worked].filter(
    (id) => !there.has(id) && !whole.some(({ manifest }) => manifest.object_id === id),
  );
}

function expectConverged(lab: Lab, intent: Intent, before: Set<string>, { plan }: Applied): void {
  expect(acting(plan)).toEqual([]);
  expect(plan.blocked).toEqual([]);
  expectNetworks(lab, plan);
  const primaries = lab.primaries();
  expect(primaries.map(({ decoded }) => decoded?.name)).toEqual(primaries.map(({ name }) => name));
  if (intent.mode === "destroy") {
    expect(lab.world.machine().networks.size).toBe(0);
    return expect(primaries).toEqual([]);
  }
  const asleep = new Set(plan.dormant.map(({ address }) => address));
  const wanted = plan.changes.filter(({ hashes }) => hashes.after !== null).map(({ address }) => address);
  const awake = wanted.filter((address) => !asleep.has(address));
  const running = primaries.filter(({ state }) => state === "running");
  expect(running.map(({ decoded }) => decoded?.address ?? "").toSorted()).toEqual(awake.toSorted());
  const lost = [...before].filter((address) => wanted.includes(address) && !healthy(lab).has(address));
  expect(lost.filter((address) => !asleep.has(address))).toEqual([]);
}

/** Exactly those that the plan knows of and means to keep, each whole. */
function expectNetworks(lab: Lab, { networks = [] }: Applied["plan"]): void {
  expect(networks.filter(({ action }) => action !== "no-op")).toEqual([]);
  const kept = networks.filter(({ object_id }) => object_id !== null).map(({ name }) => name);
  const there = HOSTS.flatMap((host) => [...lab.world.machine(host).networks.values()]);
  expect(there.map(({ name }) => name).toSorted()).toEqual(kept.toSorted());
  for (const { object_id, spec, users } of networks) {
    const found = there.find(({ id }) => id === object_id);
    if (spec?.gate === null || found === undefined || users.length === 0) continue;
    expect(found.gate?.state).toBe("running");
  }
}
