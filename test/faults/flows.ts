// What can be done to a fleet, each kind of change once.
import type { Lab } from "../support/memory-fleet.ts";
import { DAY, HOUR, REMOTE, plant } from "../support/memory-fleet.ts";
import type { Flow } from "./strike.ts";

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

export const MAKING: readonly Flow[] = [
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
    name: "recreate by name, with its workspace",
    before: fleet({ a: agent(wide) }),
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
];

const KEEPING = { salvage: { when: "always" } };
/** An agent has worked in every runtime there is. */
const work = (lab: Lab): void => {
  for (const { files, id } of lab.primaries())
    files.set("root/work", { type: "file", mode: 0o640, content: Buffer.from(`work in ${id}`) });
};

/** Where no runtime may go before what was written in it is kept. */
export const KEEPING_FLOWS: readonly Flow[] = [
  {
    name: "salvage and recreate",
    before: fleet({ a: {} }, KEEPING),
    happen: work,
    after: fleet({ a: agent({ docker: { network: "bridge" } }) }, KEEPING),
  },
  {
    name: "salvage and prune",
    before: fleet({ a: {} }, KEEPING),
    happen: async (lab) => {
      work(lab);
      await lab.apply();
      lab.time.advance(25 * HOUR);
    },
  },
  {
    name: "salvage and remove an orphan",
    before: fleet({ a: {}, b: {} }, KEEPING),
    happen: work,
    after: fleet({ b: {} }, KEEPING),
  },
  {
    name: "salvage and destroy",
    before: fleet({ a: agent(wide) }, KEEPING),
    happen: work,
    intent: { mode: "destroy", unprotect: false },
  },
  {
    name: "salvage and recreate by name, with its workspace",
    before: fleet({ a: agent(wide) }, KEEPING),
    happen: work,
    intent: { mode: "recreate", targets: ["agent/a"] },
    recovery: { mode: "apply" },
  },
  {
    name: "salvage and finish a replacement",
    before: fleet({ a: {} }, KEEPING),
    happen: (lab) => {
      work(lab);
      finishable(lab);
    },
  },
];

function finishable(lab: Lab): void {
  const old = only(lab);
  const { name, decoded } = old;
  lab.world.renameBehind(name, `${name}.old`);
  if (lab.world.lifecycle === "process") lab.world.stopBehind(`${name}.old`);
  if (decoded !== undefined) plant(lab, old, { name: `${name}.new`, labels: decoded, state: "running" });
}

export const TAKING: readonly Flow[] = [
  {
    name: "adopt",
    before: fleet({ a: {} }),
    happen: (lab) => lab.world.renameBehind(only(lab).name, "elsewhere"),
  },
  {
    name: "finish a replacement",
    before: fleet({ a: {} }),
    happen: finishable,
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
    name: "destroy what is not stopped first, beside what is",
    lifecycles: ["process"],
    before: fleet({ a: agent({ docker: { command: ["sleep", "infinity"] } }), b: {} }),
    intent: { mode: "destroy", unprotect: false },
  },
  {
    name: "prune what is not stopped first",
    lifecycles: ["process"],
    before: fleet({ a: agent({ docker: { command: ["sleep", "infinity"] } }) }),
    happen: async (lab) => {
      await lab.apply();
      lab.time.advance(25 * HOUR);
    },
  },
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

const PROCESS = { lifecycles: ["process"] } as const;
const gated = (...allow: string[]): object => agent({ egress: { allow } });
const on = (network: string): object => agent({ docker: { network } });

/** What a fleet does with networks of its own. */
export const NETWORKING: readonly Flow[] = [
  { ...PROCESS, name: "create behind a gate", before: fleet({}), after: fleet({ a: gated("pypi.org") }) },
  {
    ...PROCESS,
    name: "create two on one network, with a gate whose image has to be fetched",
    before: fleet({}),
    happen: (lab) => void lab.world.machine().images.delete("img:b"),
    after: {
      ...fleet({ a: on("build"), b: on("build") }),
      networks: { build: { egress: { allow: ["pypi.org"], image: "img:b" } } },
    },
  },
  {
    ...PROCESS,
    name: "change what a gate lets through",
    before: fleet({ a: gated("pypi.org") }),
    after: fleet({ a: gated("npmjs.org") }),
  },
  {
    ...PROCESS,
    name: "mend a gate that was stopped",
    before: fleet({ a: gated("pypi.org") }),
    happen: (lab) => {
      for (const { gate, ...network } of lab.world.machine().networks.values())
        if (gate !== undefined)
          lab.world.machine().networks.set(network.id, { ...network, gate: { ...gate, state: "stopped" } });
    },
  },
  {
    ...PROCESS,
    name: "go behind a gate and come out again",
    before: fleet({ a: {}, b: gated("pypi.org") }),
    after: fleet({ a: gated("pypi.org"), b: {} }),
  },
  {
    ...PROCESS,
    name: "give a network another shape",
    before: { ...fleet({ a: on("build"), b: on("build") }), networks: { build: {} } },
    after: { ...fleet({ a: on("build"), b: on("build") }), networks: { build: { internal: true } } },
  },
  {
    ...PROCESS,
    name: "remove what no longer is declared",
    before: { ...fleet({ a: gated("pypi.org"), b: on("build"), c: {} }), networks: { build: {} } },
    after: fleet({ c: {} }),
  },
  {
    ...PROCESS,
    name: "prune one behind a gate",
    before: fleet({ a: gated("pypi.org") }),
    happen: async (lab) => {
      await lab.apply();
      lab.time.advance(25 * HOUR);
    },
  },
  {
    ...PROCESS,
    name: "destroy with networks",
    before: { ...fleet({ a: gated("pypi.org"), b: on("build") }), networks: { build: {} } },
    intent: { mode: "destroy", unprotect: false },
  },
];
