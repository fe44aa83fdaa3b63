import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ListedLane } from "../../src/model/lanes.ts";
import type { LaneTicket } from "../../src/state/lanes.ts";
import { readLanes, takeTicket } from "../../src/state/lanes.ts";
import type { Children } from "./processes-kit.ts";
import { compileChildren } from "./processes-kit.ts";
import { temporaryDirectory } from "./temporary.ts";

let children: Children;
beforeAll(async () => {
  children = await compileChildren();
}, 120_000);
afterAll(() => children[Symbol.asyncDispose]());

const never = new AbortController().signal;

async function enter(
  base: string,
  agent: string,
  bounds = { max_parallel: 1, queue_capacity: 1 },
): Promise<LaneTicket> {
  const who = { fleet: "team", agent, session: "main", run_id: `run-${agent}`, address: `agent/${agent}` };
  return await takeTicket(base, { engine: "buildkit@x", ...bounds, who, now: Date.now });
}

async function lane(base: string): Promise<{ readonly runs: string[]; readonly waits: string[] }> {
  const [only]: readonly (ListedLane | undefined)[] = await readLanes(base, Date.now());
  return {
    runs: (only?.running ?? []).map((each) => each.agent),
    waits: (only?.waiting ?? []).map((each) => each.agent),
  };
}

async function untilWaits(base: string, agent: string): Promise<void> {
  while (!(await lane(base)).waits.includes(agent)) await sleep(20);
}

describe("turns over all processes", () => {
  it("lets one begin, one wait, and refuses the next with exit code 75", async () => {
    const base = await temporaryDirectory();
    await using first = await enter(base, "a");
    await using second = await enter(base, "b");
    expect([first.begun, second.begun]).toEqual([true, false]);
    expect(await lane(base)).toEqual({ runs: ["a"], waits: ["b"] });
    await expect(enter(base, "c")).rejects.toMatchObject({
      code: "LANE_FULL",
      exitCode: 75,
      kind: "transient",
    });
    await first[Symbol.asyncDispose]();
    expect(await second.turn(never)).toBe(true);
    expect(await lane(base)).toEqual({ runs: ["b"], waits: [] });
  });

  it("gives up a place when its command is cancelled while it waits", async () => {
    const base = await temporaryDirectory();
    await using first = await enter(base, "a");
    const abort = new AbortController();
    {
      await using second = await enter(base, "b");
      const turn = second.turn(abort.signal);
      abort.abort();
      expect(await turn).toBe(false);
    }
    expect(first.begun).toBe(true);
    expect(await lane(base)).toEqual({ runs: ["a"], waits: [] });
  });

  it("takes the slot and the place of killed processes back", async () => {
    const base = await temporaryDirectory();
    const [holder, waiter] = [children.start(base, "team"), children.start(base, "team")];
    expect(await holder.ask("lane a")).toBe("true");
    const turn = waiter.ask("lane b");
    turn.catch(() => undefined);
    await untilWaits(base, "b");
    await expect(enter(base, "c")).rejects.toMatchObject({ code: "LANE_FULL" });
    await waiter.kill();
    await using mine = await enter(base, "c");
    expect(mine.begun).toBe(false);
    await holder.kill();
    expect(await mine.turn(never)).toBe(true);
    expect(await lane(base)).toEqual({ runs: ["c"], waits: [] });
  });

  it("hands the slot on to another process", async () => {
    const base = await temporaryDirectory();
    const other = children.start(base, "team");
    const first = await enter(base, "a");
    const turn = other.ask("lane b");
    await untilWaits(base, "b");
    await first[Symbol.asyncDispose]();
    expect(await turn).toBe("true");
    expect(await other.ask("leave")).toBe("left");
    expect(await lane(base)).toEqual({ runs: [], waits: [] });
  });

  it("keeps places through a damaged file, which is put aside", async () => {
    const base = await temporaryDirectory();
    await using first = await enter(base, "a");
    await using second = await enter(base, "b");
    const folder = join(base, "lanes");
    const [name = ""] = (await readdir(folder)).filter((each) => each.endsWith(".json"));
    await writeFile(join(folder, name), "{torn");
    const turn = second.turn(never);
    await first[Symbol.asyncDispose]();
    expect(await turn).toBe(true);
    expect((await lane(base)).runs).toEqual(["b"]);
  });
});
