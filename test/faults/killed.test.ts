// Every driver call of every kind of change, each struck by every kind of fault; then one more apply must put all right.
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Fault, FaultEffect } from "../../src/drivers/memory/faults.ts";
import type { Intent } from "../../src/model/intent.ts";
import { DAY, HOUR, Lab, MINUTE, REMOTE, acting, plant } from "../support/memory-fleet.ts";

type Lifecycle = "process" | "directory";

interface Flow {
  readonly name: string;
  readonly lifecycles?: readonly Lifecycle[];
  readonly before: object;
  readonly happen?: (lab: Lab) => Promise<void> | void;
  readonly after?: object;
  readonly intent?: Intent;
  /** What the next apply of a person or a loop would ask for; the same again where absent. */
  readonly recovery?: Intent;
}

const DOCKER = { backend: "docker", docker: { image: "img:a" } };
const agent = (sandbox: object = {}): object => ({ sandbox });
const fleet = (agents: Record<string, object>, sandbox: object = {}): object => ({
  hosts: REMOTE,
  sandbox: { ...DOCKER, ...sandbox },
  agents,
});
const only = (lab: Lab): ReturnType<Lab["objects"]>[number] => {
  const [object] = lab.primaries();
  if (object === undefined) throw new Error("there is no runtime");
  return object;
};

const wide = { setup: ["true", "write done yes"], workspace: { access: "rw" }, host: "b1" };

const FLOWS: readonly Flow[] = [
  { name: "create", before: fleet({}), after: fleet({ a: {} }) },
  { name: "create with setup and a seeded workspace", before: fleet({}), after: fleet({ a: agent(wide) }) },
  {
    name: "create with an image to fetch",
    lifecycles: ["process"],
    before: fleet({}),
    happen: (lab) => void lab.world.machine().images.delete("img:a"),
    after: fleet({ a: {}, b: {} }),
  },
  {
    name: "recreate",
    before: fleet({ a: {} }),
    after: fleet({ a: agent({ docker: { network: "bridge" } }) }),
  },
  {
    name: "recreate with setup and a kept workspace",
    before: fleet({ a: agent(wide) }),
    after: fleet({ a: agent({ ...wide, docker: { network: "bridge" } }) }),
  },
  {
    name: "recreate by name",
    before: fleet({ a: {} }),
    intent: { mode: "recreate", targets: ["agent/a"] },
    recovery: { mode: "apply" },
  },
  {
    name: "update",
    before: fleet({ a: {} }),
    after: fleet({ a: agent({ docker: { memory: "128MiB", cpus: 2 } }) }),
  },
  {
    name: "start",
    lifecycles: ["process"],
    before: fleet({ a: {} }),
    happen: (lab) => lab.world.stopBehind(only(lab).name),
  },
  {
    name: "adopt",
    before: fleet({ a: {} }),
    happen: (lab) => lab.world.renameBehind(only(lab).name, "elsewhere"),
  },
  {
    name: "finish a replacement",
    before: fleet({ a: {} }),
    happen: (lab) => {
      const old = only(lab);
      const { name, decoded } = old;
      lab.world.renameBehind(name, `${name}.old`);
      if (lab.world.lifecycle === "process") lab.world.stopBehind(`${name}.old`);
      if (decoded !== undefined) plant(lab, old, { name: `${name}.new`, labels: decoded, state: "running" });
    },
  },
  {
    name: "take back a predecessor",
    before: fleet({ a: {} }),
    happen: (lab) => {
      const { name } = only(lab);
      lab.world.renameBehind(name, `${name}.old`);
      if (lab.world.lifecycle === "process") lab.world.stopBehind(`${name}.old`);
    },
  },
  {
    name: "prune",
    before: fleet({ a: {} }),
    happen: async (lab) => {
      await lab.apply();
      lab.time.advance(25 * HOUR);
    },
  },
  {
    name: "replace with age",
    before: fleet({ a: agent({ prune: { idle: "off" } }) }),
    happen: async (lab) => {
      await lab.apply();
      lab.time.advance(8 * DAY);
    },
  },
  {
    name: "wake",
    before: fleet({ a: {} }),
    happen: async (lab) => {
      await lab.apply();
      lab.time.advance(25 * HOUR);
      await lab.apply();
    },
    intent: { mode: "apply", targets: ["agent/a"], wake: ["agent/a"] },
  },
  { name: "remove an orphan", before: fleet({ a: {}, b: {} }), after: fleet({ b: {} }) },
  { name: "destroy", before: fleet({ a: {}, b: {} }), intent: { mode: "destroy", unprotect: false } },
  {
    name: "change the scope",
    before: fleet({ a: { sessions: ["main", "pr"] } }),
    after: fleet({ a: { sessions: ["main", "pr"] } }, { scope: "session" }),
  },
  {
    name: "move to another host",
    before: fleet({ a: {} }),
    after: fleet({ a: agent({ host: "b1" }), b: {} }),
  },
  {
    name: "everything at once",
    before: fleet({ a: {}, b: {}, c: {} }),
    after: fleet({
      b: agent({ docker: { network: "bridge" } }),
      c: agent({ docker: { cpus: 2 } }),
      d: agent({ setup: ["true"] }),
    }),
  },
];

/** Who comes next: the same machine, the same one without its state, another one, or whoever finds a dead one's state. */
type Recovery = "same" | "without state" | "another machine" | "after a death";

interface Strike {
  readonly name: string;
  readonly effect: FaultEffect;
  readonly recoveries: readonly Recovery[];
}

const fail = (
  when: "before" | "after",
  as: "transient" | "terminal" | "unreachable" | "conflict",
): Strike => ({
  name: `fails (${as}) ${when}`,
  effect: { kind: "fail", when, as },
  recoveries: ["same"],
});

const STRIKES: readonly Strike[] = [
  ...(["before", "after"] as const).flatMap((when): Strike[] => [
    {
      name: `killed ${when}`,
      effect: { kind: "kill", when, how: "throw" },
      recoveries: ["same", "without state", "another machine"],
    },
    { name: `dead ${when}`, effect: { kind: "kill", when, how: "hang" }, recoveries: ["after a death"] },
    fail(when, "transient"),
    fail(when, "terminal"),
    fail(when, "unreachable"),
  ]),
  { name: "answer lost", effect: { kind: "lost" }, recoveries: ["same", "another machine"] },
];

const APPLY: Intent = { mode: "apply" };

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

/** How many driver calls the change makes when nothing goes wrong. */
async function countCalls(flow: Flow, lifecycle: Lifecycle): Promise<number> {
  await using lab = await prepare(flow, lifecycle);
  lab.world.resetCalls();
  await lab.apply({ intent: flow.intent ?? APPLY }, "one", { parallelism: 1 });
  return lab.world.log.length;
}

function healthy(lab: Lab): Set<string> {
  return new Set(
    lab
      .primaries()
      .filter(({ state }) => state === "running")
      .map(({ decoded }) => decoded?.address ?? ""),
  );
}

async function strike(
  flow: Flow,
  lifecycle: Lifecycle,
  nth: number,
  blow: Strike,
  recovery: Recovery,
): Promise<void> {
  await using lab = await prepare(flow, lifecycle);
  const before = healthy(lab);
  const twins = watchForTwins(lab);
  const fault: Fault = { nth, effect: blow.effect };
  lab.world.inject(fault);
  const applied = lab
    .apply({ intent: flow.intent ?? APPLY }, "one", { parallelism: 1 })
    .catch(() => undefined);
  const dead = blow.effect.kind === "kill" && blow.effect.how === "hang";
  await (dead ? Promise.race([lab.world.killed(), applied]) : applied);
  lab.world.clearFaults();
  const machine = recovery === "after a death" ? "heir" : recovery === "another machine" ? "two" : "one";
  if (recovery === "after a death") await lab.inherit("one", "heir");
  if (recovery === "without state") lab.forget();
  // What another one began is left alone for as long as it may be at work.
  if (recovery !== "same" && recovery !== "after a death") lab.time.advance(21 * MINUTE);
  lab.world.revive();
  twins.push(...watchForTwins(lab));
  const again = flow.recovery ?? flow.intent ?? APPLY;
  const { result } = await lab.apply({ intent: again }, machine);
  expect(result.outcomes.filter(({ status }) => status !== "done")).toEqual([]);
  expect(twins).toEqual([]);
  await expectConverged(lab, again, before, machine);
}

async function expectConverged(
  lab: Lab,
  intent: Intent,
  before: Set<string>,
  machine: string,
): Promise<void> {
  const plan = await lab.plan({ intent }, machine);
  expect(acting(plan)).toEqual([]);
  const seen = await lab.look(machine);
  const primaries = lab.primaries();
  expect(primaries.map(({ name }) => name).filter((name) => /\.(?:new|old)$/.test(name))).toEqual([]);
  expect(new Set(primaries.map(({ name }) => name)).size).toBe(primaries.length);
  expect(primaries.map(({ decoded }) => decoded?.name)).toEqual(primaries.map(({ name }) => name));
  if (intent.mode === "destroy") return expect(primaries).toEqual([]);
  const asleep = new Set(plan.dormant.map(({ address }) => address));
  const wanted = seen.desired.map(({ address }) => address).filter((address) => !asleep.has(address));
  const now = healthy(lab);
  expect([...now].toSorted()).toEqual(wanted.toSorted());
  const lost = seen.desired.filter(
    ({ address }) => before.has(address) && !now.has(address) && !asleep.has(address),
  );
  expect(lost).toEqual([]);
  lab.writes();
  await lab.apply({ intent }, machine);
  expect(lab.writes()).toBe(0);
}

// A process that hangs in this one must not go on with its heartbeats when it is counted as dead.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval"] }));
afterEach(() => void vi.useRealTimers());

let cases = 0;
let points = 0;
afterAll(() => {
  process.stdout.write(`killed: ${cases} cases over ${points} driver calls of ${FLOWS.length} flows\n`);
});

describe.each(FLOWS)("$name", (flow) => {
  it.each(flow.lifecycles ?? (["process", "directory"] as const))(
    "is put right by the next apply, wherever it was interrupted (%s)",
    async (lifecycle) => {
      const calls = await countCalls(flow, lifecycle);
      points += calls;
      const failures: string[] = [];
      for (let nth = 1; nth <= calls; nth += 1) {
        for (const blow of STRIKES) {
          for (const recovery of blow.recoveries) {
            cases += 1;
            try {
              await strike(flow, lifecycle, nth, blow, recovery);
            } catch (error) {
              failures.push(`call ${nth} ${blow.name}, then ${recovery}: ${String(error)}`);
            }
          }
        }
      }
      expect(failures).toEqual([]);
    },
  );
});
