import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readActivity, recordActivity } from "../../src/state/activity.ts";
import { openRun } from "../../src/state/open-runs.ts";
import { ownIdentity } from "../../src/util/process-identity.ts";
import { disturb } from "../support/fleet-arbitraries.ts";
import { HOUR, Lab } from "../support/memory-fleet.ts";

const sandbox = { backend: "docker", docker: { image: "img:a" } };

describe("a state directory over the years", () => {
  it("keeps no record of runs whose process was killed", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: { a: {} } });
    await lab.apply();
    const dir = join(lab.state().dir, "open-runs");
    await mkdir(dir, { recursive: true });
    const who = { address: "agent/a", agent: "a", session: "main" };
    const killed = {
      v: 1,
      run_id: "k",
      ...who,
      started_at: 1,
      process: { ...ownIdentity(), start_time: "1" },
    };
    await writeFile(join(dir, "k.json"), JSON.stringify(killed));
    lab.keep(await openRun(lab.state(), { run_id: "r", ...who, now: () => lab.time.now() }));
    await lab.apply();
    expect(await readdir(dir)).toEqual(["r.json"]);
  });

  it("keeps the use of what is declared, dormant or in use, and of nothing else", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: { a: {}, b: {} } });
    await lab.apply();
    lab.time.advance(HOUR);
    for (const address of ["agent/a", "agent/b", "agent/gone", "agent/used"]) {
      await recordActivity(lab.state(), address, lab.time.now());
    }
    const used = { run_id: "r", address: "agent/used", agent: "used", session: "main" };
    lab.keep(await openRun(lab.state(), { ...used, now: () => lab.time.now() }));
    lab.time.advance(25 * HOUR);
    // Prunes both; they are dormant then, and their use is still told.
    await lab.apply();
    expect(lab.objects()).toEqual([]);
    await lab.apply();
    expect(Object.keys(await readActivity(lab.state())).toSorted()).toEqual([
      "agent/a",
      "agent/b",
      "agent/used",
    ]);
  });

  it("forgets no use after a look that was not whole", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: { a: {} } });
    await lab.apply();
    await recordActivity(lab.state(), "agent/gone", lab.time.now());
    await lab.apply({ intent: { mode: "apply", targets: ["agent/a"] } });
    lab.world.inject({ op: "observe", effect: { kind: "fail", when: "before", as: "unreachable" } });
    await lab.apply();
    expect(await readActivity(lab.state())).toHaveProperty("agent/gone");
    await lab.apply();
    expect(await readActivity(lab.state())).toEqual({});
  });
});

describe("the .new of a killed apply", () => {
  it("goes although its setup still runs in it", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: { a: {} } });
    await lab.apply();
    await disturb(lab, {
      kind: "leftover",
      nth: 0,
      slot: ".new",
      owner: "own",
      fresh: true,
      running: true,
    });
    await disturb(lab, { kind: "exec", nth: 1 });
    expect(lab.objects().map(({ running }) => running.size)).toEqual([0, 1]);
    const { result } = await lab.apply();
    expect(result).toMatchObject({ exit_code: 0, outcomes: [{ action: "repair", status: "done" }] });
    expect(lab.objects()).toHaveLength(1);
  });
});
