import { describe, expect, it } from "vitest";
import type { MemoryObject } from "../../src/drivers/memory/machine.ts";
import { HOUR, Lab, REMOTE, acting } from "../support/memory-fleet.ts";

type Lifecycle = "process" | "directory";

const sandbox = { backend: "docker", docker: { image: "img:a" } };
const changed = { sandbox: { docker: { network: "bridge" } } };

interface Failure {
  readonly name: string;
  readonly lifecycles: readonly Lifecycle[];
  readonly agent: object;
  readonly arrange: (lab: Lab) => void;
  readonly step: string;
}

const FAILURES: readonly Failure[] = [
  {
    name: "is unhealthy",
    lifecycles: ["process"],
    agent: changed,
    arrange: ({ world }) => {
      world.healthScript = (name) => (name.endsWith(".new") ? { health: "unhealthy" } : {});
    },
    step: "health",
  },
  {
    name: "dies at once",
    lifecycles: ["process"],
    agent: { sandbox: { docker: { command: ["false"] } } },
    arrange: () => undefined,
    step: "health",
  },
  {
    name: "is never ready",
    lifecycles: ["process"],
    agent: { sandbox: { docker: { network: "bridge" }, ready: { command: ["false"], timeout: "30s" } } },
    arrange: () => undefined,
    step: "health",
  },
  {
    name: "fails its setup",
    lifecycles: ["process", "directory"],
    agent: { sandbox: { setup: ["true", "false"] } },
    arrange: () => undefined,
    step: "setup",
  },
  {
    name: "is not what was asked for",
    lifecycles: ["process", "directory"],
    agent: changed,
    arrange: ({ world }) =>
      world.inject({
        op: "create",
        times: Infinity,
        effect: {
          kind: "hook",
          when: "after",
          run: ({ subject }) => world.changeBehind(subject, "memory.network", "open"),
        },
      }),
    step: "verify",
  },
];

const CASES = FAILURES.flatMap((failure) =>
  failure.lifecycles.map((lifecycle) => ({ ...failure, lifecycle })),
);

async function running(lifecycle: Lifecycle): Promise<{ lab: Lab; old: MemoryObject }> {
  const lab = new Lab({ lifecycle });
  await lab.write({ sandbox, agents: { a: {} } });
  await lab.apply();
  const [old] = lab.objects();
  if (old === undefined) throw new Error("nothing was made");
  return { lab, old };
}

describe.each(CASES)("a successor that $name ($lifecycle)", ({ lifecycle, agent, arrange, step }) => {
  it("leaves the old runtime running", async () => {
    const made = await running(lifecycle);
    await using lab = made.lab;
    const { id, name } = made.old;
    await lab.write({ sandbox, agents: { a: agent } });
    arrange(lab);
    const { result } = await lab.apply();
    expect(result).toMatchObject({
      exit_code: 5,
      outcomes: [{ status: "rolled_back", reason: `${step} failed; the old one runs on` }],
    });
    expect(lab.objects()).toMatchObject([{ id, name, state: "running" }]);
  });

  it("is cleared away by a later apply when taking it back fails too", async () => {
    const made = await running(lifecycle);
    await using lab = made.lab;
    await lab.write({ sandbox, agents: { a: agent } });
    arrange(lab);
    const undo = (op: "start" | "remove"): void =>
      lab.world.inject({
        op,
        matches: ({ subject }) => op === "remove" || subject === made.old.id,
        times: Infinity,
        effect: { kind: "fail", when: "before", as: "terminal" },
      });
    undo("start");
    undo("remove");
    const { result } = await lab.apply();
    expect(result.outcomes).toMatchObject([{ status: "failed" }]);
    expect(result.exit_code).not.toBe(0);
    lab.world.clearFaults();
    lab.world.healthScript = () => ({});
    await lab.write({ sandbox, agents: { a: {} } });
    expect((await lab.apply()).result.exit_code).toBe(0);
    expect(lab.objects()).toMatchObject([{ id: made.old.id, name: made.old.name, state: "running" }]);
    expect(acting(await lab.plan())).toEqual([]);
  });

  it("leaves nothing behind when it would have been the first", async () => {
    await using lab = new Lab({ lifecycle });
    await lab.write({ sandbox, agents: { a: agent, b: {} } });
    arrange(lab);
    const { result } = await lab.apply();
    const [first] = result.outcomes;
    expect(first).toMatchObject({ status: "rolled_back", reason: `${step} failed; nothing is left behind` });
    expect(result.exit_code).toBe(5);
    expect(lab.objects().filter(({ decoded }) => decoded?.address === "agent/a")).toEqual([]);
  });
});

describe("a successor of what a person asked to have anew, workspace and all", () => {
  const seeded = { ...sandbox, host: "b1", workspace: { access: "rw" } };
  const recreate = { intent: { mode: "recreate", targets: ["agent/a"] } } as const;
  const config = (more: object = {}): object => ({
    hosts: REMOTE,
    sandbox: { ...seeded, ...more },
    agents: { a: {} },
  });
  const sicken = ({ world }: Lab): void => {
    world.healthScript = (name) => (name.endsWith(".new") ? { health: "unhealthy" } : {});
  };
  const unlucky = ({ world }: Lab): void =>
    world.inject({ op: "create", effect: { kind: "fail", when: "before", as: "terminal" } });
  const gone = "the old one and its workspace were deleted first, as was asked, and no new one was proved";

  it.each([
    ["is unhealthy", sicken, "health", 5],
    ["cannot be made", unlucky, "create", 1],
  ] as const)(
    "that %s is a failure that says what is gone, and what to do",
    async (_title, arrange, step, exit) => {
      await using lab = new Lab();
      await lab.write(config());
      await lab.apply();
      const old = lab.objects().map(({ id }) => id);
      arrange(lab);
      const { result } = await lab.apply(recreate);
      expect(result).toMatchObject({
        exit_code: exit,
        outcomes: [{ status: "failed", reason: `${step} failed; ${gone}` }],
      });
      expect(result.outcomes[0]?.error?.hint).toContain(
        "nothing is in its place now: apply again once that is mended",
      );
      expect(lab.objects()).toEqual([]);
      lab.world.healthScript = () => ({});
      expect((await lab.apply()).result.exit_code).toBe(0);
      expect(lab.objects()).toMatchObject([{ state: "running" }]);
      expect(lab.objects().map(({ id }) => id)).not.toEqual(old);
    },
  );

  it("that fails where the old one was asleep says that the workspace is gone, and what was kept is named", async () => {
    await using lab = new Lab();
    await lab.write(config({ salvage: { when: "always" } }));
    await lab.apply();
    sicken(lab);
    const { result } = await lab.apply(recreate);
    expect(result.outcomes[0]?.error?.hint).toContain("sandkeep salvage has what was kept of the old one");
    lab.world.healthScript = () => ({});
    await lab.write(config({ salvage: { when: "off" } }));
    await lab.apply();
    lab.time.advance(25 * HOUR);
    await lab.apply();
    expect(lab.objects()).toEqual([]);
    sicken(lab);
    expect((await lab.apply(recreate)).result).toMatchObject({
      exit_code: 5,
      outcomes: [
        {
          status: "failed",
          reason: expect.stringContaining("its old workspace was deleted first"),
          error: { hint: expect.stringContaining("recreate it again once that is mended") },
        },
      ],
    });
  });
});

it("a change that is stale before it began stops and starts nothing", async () => {
  const { lab: made, old } = await running("process");
  await using lab = made;
  await lab.write({ sandbox, agents: { a: changed } });
  // Somebody stops it after the plan: that it should not run is theirs to say until the next plan.
  lab.world.inject({
    op: "create",
    effect: { kind: "hook", when: "after", run: () => lab.world.stopBehind(old.name) },
  });
  lab.world.resetCalls();
  const { result } = await lab.apply();
  expect(result).toMatchObject({ exit_code: 4, outcomes: [{ status: "stale" }] });
  expect(lab.objects()).toMatchObject([{ id: old.id, state: "stopped" }]);
  expect(lab.world.log.filter(({ op }) => op === "start" || op === "stop")).toEqual([]);
});
