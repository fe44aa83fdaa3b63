import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SandkeepError } from "../../src/errors.ts";
import { compileChildren } from "../state/processes-kit.ts";
import type { Disturbance } from "../support/fleet-arbitraries.ts";
import { disturbance, fleetConfig, live } from "../support/fleet-arbitraries.ts";
import { Lab, MINUTE, acting, runs } from "../support/memory-fleet.ts";

/** What both machines can see; a hold or a run of one is not known to the other. */
const VISIBLE: ReadonlySet<Disturbance["kind"]> = new Set([
  "state",
  "remove",
  "rename",
  "change",
  "image",
  "mark",
]);

const past = fc.record({
  lifecycle: fc.constantFrom("process" as const, "directory" as const),
  config: fleetConfig,
  more: fc.array(
    disturbance.filter(({ kind }) => VISIBLE.has(kind)),
    { maxLength: 3 },
  ),
  next: fleetConfig,
});

function twins(lab: Lab): string[] {
  if (lab.world.lifecycle === "directory") return [];
  const running = lab.primaries().filter(({ state }) => state === "running");
  const places = running.map(({ id, decoded }) => `${decoded?.address} on ${lab.hostOf(id)}`);
  return places.filter((place, index) => places.indexOf(place) !== index);
}

describe("two machines that apply at once", () => {
  it("never run two runtimes of one address, and converge", async () => {
    await fc.assert(
      fc.asyncProperty(past, fc.scheduler(), async (history, scheduler) => {
        await using lab = new Lab(history);
        await live(lab, history);
        const before = twins(lab);
        const found: string[] = [];
        lab.world.inject({
          times: Infinity,
          effect: {
            kind: "hook",
            when: "before",
            run: async () => {
              found.push(...twins(lab));
              await scheduler.schedule(Promise.resolve());
            },
          },
        });
        await scheduler.waitFor(Promise.all([lab.apply({}, "one"), lab.apply({}, "two")]));
        lab.world.clearFaults();
        if (before.length === 0) expect(found).toEqual([]);
        lab.time.advance(21 * MINUTE);
        const { result } = await lab.apply({}, "one");
        expect(result.outcomes.filter(({ status }) => status === "failed")).toEqual([]);
        const plan = await lab.plan({}, "one");
        expect(acting(plan)).toEqual([]);
        expect(acting(await lab.plan({}, "two"))).toEqual([]);
        const blocked = new Set(plan.blocked.map(({ address }) => address));
        const names = lab
          .primaries()
          .filter(({ decoded }) => decoded !== undefined && !blocked.has(decoded.address))
          .map(({ id, decoded }) => `${decoded?.address} on ${lab.hostOf(id)}`);
        expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
      }),
      { numRuns: runs(120) },
    );
  });

  it("make one runtime: the slower one finds the name taken and says that its plan is stale", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox: { backend: "docker", docker: { image: "img:a" } }, agents: { a: {} } });
    const arrived: (() => void)[] = [];
    lab.world.inject({
      op: "create",
      times: 2,
      effect: {
        kind: "hook",
        when: "before",
        run: () =>
          new Promise<void>((resolve) => {
            arrived.push(resolve);
            if (arrived.length === 2) for (const go of arrived) go();
          }),
      },
    });
    const both = await Promise.all([lab.apply({}, "one"), lab.apply({}, "two")]);
    const ends = both.map(({ result }) => `${result.outcomes[0]?.status} ${result.exit_code}`);
    expect(ends.toSorted()).toEqual(["done 0", "stale 4"]);
    expect(lab.objects()).toHaveLength(1);
  });
});

describe("two processes with one state directory", () => {
  it("are kept apart by the lease, and a dead one's is taken without anybody's help", async () => {
    await using lab = new Lab();
    await using children = await compileChildren();
    // Real processes judge one another by the real time.
    lab.time.advance(Date.now() - lab.time.now());
    await lab.write({ sandbox: { backend: "docker", docker: { image: "img:a" } }, agents: { a: {} } });
    await using other = children.start(lab.stateDir(), "team");
    expect(await other.ask("lease 0")).toMatch(/^version/);
    const refused = await lab.apply().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(SandkeepError);
    expect(refused).toMatchObject({ code: "LEASE_HELD", exitCode: 75 });
    expect(lab.world.calls.write).toBe(0);
    await other.kill();
    expect((await lab.apply()).result.exit_code).toBe(0);
  });
});
