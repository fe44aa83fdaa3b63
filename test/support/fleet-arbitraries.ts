// Random fleets, as configs a person could write, and what can happen to them between two applies, as data.
import fc from "fast-check";
import type { MemoryObject } from "../../src/drivers/memory/machine.ts";
import { recordActivity } from "../../src/state/activity.ts";
import { hold } from "../../src/state/holds.ts";
import { openRun } from "../../src/state/open-runs.ts";
import type { Lab } from "./memory-fleet.ts";
import { DAY, HOUR, HOSTS, IMAGES, MINUTE, REMOTE, occupy, plant } from "./memory-fleet.ts";

const table = <T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(shape, { requiredKeys: [] });

const image = fc.constantFrom(...Object.keys(IMAGES));
const session = fc.constantFrom("main", "review", "pr-1");

/** What does not shape a runtime. */
const policy = {
  mode: fc.constantFrom("all", "non-main", "off"),
  provision: fc.constantFrom("eager", "eager", "on-use"),
};

const shape = {
  ...policy,
  scope: fc.constantFrom("agent", "session"),
  protect: fc.boolean(),
  setup: fc.constantFrom([], ["true"]),
  env: fc.dictionary(fc.constantFrom("A", "B"), fc.constantFrom("1", "2"), { maxKeys: 2 }),
  host: fc.constant("b1"),
  workspace: table({ access: fc.constantFrom("none", "ro", "rw") }),
  prune: table({ idle: fc.constantFrom("24h", "off"), max_age: fc.constantFrom("7d", "30m", "off") }),
  disruption: table({
    when: fc.constantFrom("now", "idle", "never"),
    max_wait: fc.constantFrom("1h", "off"),
  }),
  salvage: table({
    when: fc.constantFrom("off", "unattended", "always"),
    exclude: fc.constantFrom([], ["/tmp"]),
  }),
  docker: table({
    image,
    memory: fc.constantFrom("64MiB", "128MiB"),
    cpus: fc.constantFrom(1, 2),
    network: fc.constantFrom("none", "bridge"),
  }),
};

const sessions = fc.uniqueArray(session, { minLength: 1, maxLength: 2 });
const agentNames = fc.uniqueArray(fc.constantFrom("main", "work", "a.b", "A-b"), { maxLength: 4 });

/** The chances: most agents say little, as in real configs. */
const ownAgent = table({ sessions, sandbox: table(shape) });
const sharingAgent = table({ sessions, sandbox: table(policy) });

function agentsOf(agent: fc.Arbitrary<object>): fc.Arbitrary<Record<string, object>> {
  return agentNames.chain((names) =>
    fc
      .array(agent, { minLength: names.length, maxLength: names.length })
      .map((values) => Object.fromEntries(names.map((name, index) => [name, values[index] ?? {}]))),
  );
}

const guards = fc.constantFrom({}, { guards: { allow_empty: true } }, { guards: { max_destroy: 1 } });

/** A valid config: scopes of its own for each agent, or one shared runtime. */
export const fleetConfig: fc.Arbitrary<object> = fc
  .oneof(
    { weight: 4, arbitrary: fc.tuple(table(shape), agentsOf(ownAgent), guards) },
    {
      weight: 1,
      arbitrary: fc.tuple(
        table(shape).map((each) => ({ ...each, scope: "shared" })),
        agentsOf(sharingAgent),
        guards,
      ),
    },
  )
  .map(([sandbox, agents, more]) => ({
    hosts: REMOTE,
    sandbox: { backend: "docker", ...sandbox, docker: { image: "img:a", ...sandbox.docker } },
    agents,
    ...more,
  }));

const nth = fc.nat({ max: 5 });

/** One thing that happens to a fleet; `nth` picks the runtime it happens to. */
export const disturbance = fc.oneof(
  fc.record({
    kind: fc.constant("state"),
    nth,
    state: fc.constantFrom("stopped", "paused", "broken", "created", "restarting"),
  }),
  fc.record({ kind: fc.constant("remove"), nth }),
  fc.record({ kind: fc.constant("rename"), nth, to: fc.constantFrom("", ".new", ".old", "stray") }),
  fc.record({
    kind: fc.constant("change"),
    nth,
    path: fc.constantFrom("memory.memory", "memory.cpus", "memory.network", "env"),
    value: fc.constantFrom(7, "changed"),
  }),
  fc.record({
    kind: fc.constant("leftover"),
    nth,
    slot: fc.constantFrom(".new", ".old", "-twin"),
    owner: fc.constantFrom("own", "other"),
    fresh: fc.boolean(),
    running: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("passing"),
    nth,
    role: fc.constantFrom("canary", "ephemeral", "sidecar"),
    expired: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("foreign"),
    nth,
    slot: fc.constantFrom("", ".new", ".old"),
    twin: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("mark"), nth }),
  fc.record({ kind: fc.constant("image"), ref: image, content: fc.constantFrom("x", "y") }),
  fc.record({ kind: fc.constant("image-gone"), ref: image }),
  fc.record({ kind: fc.constant("time"), ms: fc.constantFrom(MINUTE, 2 * HOUR, 25 * HOUR, 8 * DAY) }),
  fc.record({ kind: fc.constant("hold"), nth, fleet: fc.boolean() }),
  fc.record({ kind: fc.constant("exec"), nth }),
  fc.record({ kind: fc.constant("run"), nth }),
  fc.record({ kind: fc.constant("activity"), nth }),
  fc.record({ kind: fc.constant("forget") }),
);
export type Disturbance = typeof disturbance extends fc.Arbitrary<infer T> ? T : never;

type Acting = Extract<Disturbance, { nth: number }>;

/** Makes it happen; without a runtime to happen to, most things do not. */
export async function disturb(lab: Lab, what: Disturbance): Promise<void> {
  const { world } = lab;
  switch (what.kind) {
    case "time":
      return lab.time.advance(what.ms);
    case "image":
      return world.moveImage(what.ref, what.content);
    case "image-gone":
      // A directory is made from no image.
      if (world.lifecycle === "directory") return;
      for (const host of HOSTS) world.machine(host).images.delete(what.ref);
      return;
    case "forget":
      return lab.forget();
    default: {
      const objects = lab.primaries();
      const object = objects[what.nth % objects.length];
      if (object !== undefined) await happen(lab, what, object);
    }
  }
}

async function happen(lab: Lab, what: Acting, object: MemoryObject): Promise<void> {
  const { world, time } = lab;
  const host = lab.hostOf(object.id);
  const machine = world.machine(host);
  const labels = object.decoded;
  if (labels === undefined) return;
  const { address } = labels;
  switch (what.kind) {
    case "state":
      object.state = world.lifecycle === "directory" ? "broken" : stateOf(what.state);
      if (object.state !== "restarting") object.startedAt = undefined;
      return machine.changed(object);
    case "remove":
      return machine.remove(object);
    case "rename": {
      const to = what.to === "stray" ? `renamed-${object.id}` : labels.name + what.to;
      if (!machine.names.has(to)) machine.rename(object, to);
      return;
    }
    case "change":
      object.fields[what.path] = what.path === "env" ? { A: String(what.value) } : what.value;
      return machine.changed(object);
    case "leftover": {
      const owner = what.owner === "own" ? labels.owner : "f".repeat(16);
      const until = time.now() + (what.fresh ? 1 : -1) * 10 * MINUTE;
      const state = what.running || world.lifecycle === "directory" ? "running" : "stopped";
      const made = { ...labels, owner, candidate_until: until };
      plant(lab, object, { name: labels.name + what.slot, labels: made, state });
      return;
    }
    case "passing": {
      const expires_at = time.now() + (what.expired ? -1 : 30) * DAY;
      const made = { ...labels, role: roleOf(what.role), protect: false, expires_at };
      const name = `${labels.name}-${what.role}`;
      plant(lab, object, { name, labels: { ...made, name }, state: "running" });
      return;
    }
    case "foreign": {
      const name = labels.name + what.slot;
      if (machine.names.has(name)) return;
      if (!what.twin) world.addForeign(name, { who: "somebody" }, host);
      else plant(lab, object, { name, labels: { ...labels, fleet_id: "other1" }, state: "running" });
      return;
    }
    case "mark":
      return machine.mark({ fleet: "team", fleet_id: "k3v9q2", names: [] }, address, {
        since: time.now(),
        reason: "idle",
      });
    case "hold":
      return hold(lab.state(), {
        address: what.fleet ? "fleet" : address,
        reason: "mine",
        by: "me",
        since: time.now(),
      });
    case "exec":
      if (object.state === "running") occupy(object);
      return;
    case "run": {
      const run = { run_id: `run-${object.id}`, address, agent: "a", session: "main" };
      lab.keep(await openRun(lab.state(), { ...run, now: () => time.now() }));
      return;
    }
    case "activity":
      await recordActivity(lab.state(), address, time.now());
      // A use lies in the past of every later plan.
      time.advance(1);
  }
}

function stateOf(text: string): MemoryObject["state"] {
  const states = ["stopped", "paused", "broken", "created", "restarting"] as const;
  return states.find((each) => each === text) ?? "stopped";
}

function roleOf(text: string): "canary" | "ephemeral" | "sidecar" {
  return text === "canary" || text === "ephemeral" ? text : "sidecar";
}

/** A fleet with a history: configs applied in turn, with what happened after each. */
export const history = fc.record({
  lifecycle: fc.constantFrom("process", "directory"),
  config: fleetConfig,
  more: fc.array(disturbance, { maxLength: 6 }),
  next: fc.option(fleetConfig, { nil: undefined }),
});
export type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

/** Applies the first config, lets things happen, and writes the second, which is left to be applied. */
export async function live(lab: Lab, { config, more, next }: Omit<History, "lifecycle">): Promise<void> {
  await lab.write(config);
  await lab.apply();
  for (const each of more) await disturb(lab, each);
  if (next !== undefined) await lab.write(next);
}
