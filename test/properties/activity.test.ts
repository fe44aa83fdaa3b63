import { describe, expect, it } from "vitest";
import { discard } from "../../src/apply/streams.ts";
import { explainFleet } from "../../src/plan/explain.ts";
import { listFleet } from "../../src/plan/listing.ts";
import { runCommand } from "../../src/runs/run.ts";
import { readActivity, recordActivity } from "../../src/state/activity.ts";
import { lockAddress } from "../../src/state/address-lock.ts";
import { openRun } from "../../src/state/open-runs.ts";
import { HOUR, Lab, acting, occupy } from "../support/memory-fleet.ts";

const sandbox = { backend: "docker", docker: { image: "img:a" } };
const lifecycles = ["process", "directory"] as const;

function only(lab: Lab): ReturnType<Lab["objects"]>[number] {
  const [object] = lab.objects();
  if (object === undefined) throw new Error("there is no runtime");
  return object;
}

/** A fleet of one runtime that nobody used for longer than prune.idle. */
async function idle(lifecycle: (typeof lifecycles)[number]): Promise<Lab> {
  const lab = new Lab({ lifecycle });
  await lab.write({ sandbox, agents: { a: {} } });
  await lab.apply();
  await lab.apply();
  lab.time.advance(25 * HOUR);
  return lab;
}

async function run(lab: Lab, argv: readonly string[], agent = "a"): Promise<number> {
  const request = { agent, argv, env: {} };
  const answer = await runCommand(lab.engine(), request, { stdout: discard(), stderr: discard() });
  if (answer.status === "invalid") throw new Error("the config is invalid");
  return answer.manifest.exit_code;
}

const USES = {
  "an open run": async (lab: Lab) => {
    const who = { run_id: "r", address: "agent/a", agent: "a", session: "main" };
    lab.keep(await openRun(lab.state(), { ...who, now: () => lab.time.now() }));
  },
  "a use that ended": (lab: Lab) => recordActivity(lab.state(), "agent/a", lab.time.now()),
  "a command of somebody else": (lab: Lab) => void occupy(only(lab)),
} satisfies Record<string, (lab: Lab) => unknown>;

describe.each(Object.entries(USES))("%s between plan and removal", (_name, use) => {
  it.each(lifecycles)("cancels the removal (%s)", async (lifecycle) => {
    await using lab = await idle(lifecycle);
    const { id } = only(lab);
    const { plan, result } = await lab.apply({}, "one", {
      approve: async ({ changes }) => {
        expect(changes).toMatchObject([{ actions: ["remove"] }]);
        await use(lab);
        return true;
      },
    });
    expect(plan.summary.remove).toBe(1);
    expect(result).toMatchObject({ exit_code: 4, outcomes: [{ status: "stale" }] });
    expect(lab.objects()).toMatchObject([{ id, state: "running" }]);
    const after = await lab.plan();
    expect(acting(after)).toEqual([]);
    expect(after.dormant).toEqual([]);
  });
});

describe("a removal", () => {
  it.each(lifecycles)(
    "lets no run begin once it was decided that nobody uses the runtime (%s)",
    async (lifecycle) => {
      await using lab = await idle(lifecycle);
      const refused: string[] = [];
      for (const op of ["mark", "stop", "remove"] as const) {
        lab.world.inject({
          op,
          effect: {
            kind: "hook",
            when: "before",
            run: async () => {
              const tried = await lockAddress(lab.state(), "agent/a", { waitMs: 0 }).catch(() => undefined);
              if (tried === undefined) refused.push(op);
              await tried?.[Symbol.asyncDispose]();
            },
          },
        });
      }
      await lab.apply();
      expect(refused).toEqual(lifecycle === "process" ? ["mark", "stop", "remove"] : ["mark", "remove"]);
      expect(lab.objects()).toEqual([]);
      expect((await lab.plan()).dormant).toMatchObject([{ address: "agent/a" }]);
    },
  );

  it("and a run that begins meanwhile end with the command run in a runtime that is there", async () => {
    await using lab = await idle("process");
    let ran: Promise<number> | undefined;
    lab.world.inject({
      op: "stop",
      effect: {
        kind: "hook",
        when: "before",
        run: () => {
          ran = run(lab, ["exit", "7"]);
        },
      },
    });
    await lab.apply();
    expect(await ran).toBe(7);
    expect(lab.objects()).toMatchObject([{ state: "running" }]);
    expect(acting(await lab.plan())).toEqual([]);
  });
});

describe("looking", () => {
  it("a hundred times is no use of anything, and wakes nobody", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: { a: {}, b: {} } });
    await lab.apply();
    expect(await run(lab, ["true"], "a")).toBe(0);
    lab.time.advance(25 * HOUR);
    expect(await run(lab, ["true"], "b")).toBe(0);
    await lab.apply();
    const used = await readActivity(lab.state());
    lab.writes();
    for (let round = 0; round < 100; round += 1) {
      lab.time.advance(60_000);
      const plan = await lab.plan();
      expect(acting(plan)).toEqual([]);
      expect(plan.dormant.map(({ address }) => address)).toEqual(["agent/a"]);
      await explainFleet(lab.engine(), {});
      await listFleet(lab.engine(), { all: true });
    }
    expect(await readActivity(lab.state())).toEqual(used);
    expect(lab.writes()).toBe(0);
    const answer = await listFleet(lab.engine(), {});
    expect(answer).toMatchObject({ listing: { runtimes: [{ address: "agent/b", idle_s: 6000 }] } });
  });

  it("from another machine knows nothing of use, and so prunes nothing", async () => {
    await using lab = await idle("process");
    expect(acting(await lab.plan({}, "two"))).toEqual([]);
    expect((await lab.plan()).summary.remove).toBe(1);
  });
});

describe("a dormant runtime", () => {
  it.each(lifecycles)(
    "stays so through applies, lost state and other machines, until it is used (%s)",
    async (lifecycle) => {
      await using lab = await idle(lifecycle);
      await lab.apply();
      expect(lab.objects()).toEqual([]);
      lab.writes();
      await lab.apply();
      await lab.apply({}, "two");
      lab.forget();
      await lab.apply();
      expect(lab.writes()).toBe(0);
      expect((await lab.plan()).dormant).toMatchObject([{ address: "agent/a" }]);
      expect(await run(lab, ["exit", "3"])).toBe(3);
      expect(lab.objects()).toHaveLength(1);
      const plan = await lab.plan();
      expect(acting(plan)).toEqual([]);
      expect(plan.dormant).toEqual([]);
    },
  );
});
