import { describe, expect, it } from "vitest";
import { discard } from "../../src/apply/streams.ts";
import { runCommand } from "../../src/runs/run.ts";
import { hold } from "../../src/state/holds.ts";
import { HOUR, Lab, MINUTE, plant } from "../support/memory-fleet.ts";

const sandbox = { backend: "docker", docker: { image: "img:a" } };

async function run(lab: Lab, argv: readonly string[] = ["exit", "7"]): Promise<number> {
  const io = { stdout: discard(), stderr: discard() };
  const answer = await runCommand(lab.engine(), { agent: "a", argv, env: {} }, io);
  if (answer.status === "invalid") throw new Error("the config is invalid");
  return answer.manifest.exit_code;
}

describe("a run of a runtime that is missing", () => {
  it.each(["fleet", "agent/a"])("and held as %s is blocked at once, and says by what", async (address) => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: { a: {} } });
    await hold(lab.state(), { address, reason: "dbg", by: "ann", since: 0 });
    await expect(run(lab)).rejects.toMatchObject({
      code: "BLOCKED",
      exitCode: 3,
      message: "agent/a is held: dbg",
      hint: expect.stringContaining(`sandkeep release ${address}`),
    });
    expect(lab.objects()).toEqual([]);
    // One look for the runtime, and one for the plan that says so.
    expect(lab.world.calls.read).toBeLessThan(5);
  });

  it("and whose image nobody has is blocked with what to do", async () => {
    await using lab = new Lab();
    const docker = { image: "img:none", image_policy: "never" };
    await lab.write({ sandbox: { backend: "docker", docker }, agents: { a: {} } });
    await expect(run(lab)).rejects.toMatchObject({ code: "BLOCKED", exitCode: 3 });
  });
});

describe("a run of a runtime that another sandkeep is making", () => {
  async function half(until: number): Promise<Lab> {
    const lab = new Lab();
    await lab.write({ sandbox, agents: { a: {} } });
    await lab.apply();
    const [object] = lab.objects();
    if (object?.decoded === undefined) throw new Error("nothing was made");
    lab.world.machine("local").remove(object);
    const labels = { ...object.decoded, owner: "another", candidate_until: lab.time.now() + until };
    if (plant(lab, object, { name: `${object.name}.new`, labels, state: "running" }) === undefined) {
      throw new Error("the name is taken");
    }
    return lab;
  }

  it("waits for it, and goes on once the other gave up", async () => {
    await using lab = await half(30_000);
    const before = lab.time.now();
    expect(await run(lab)).toBe(7);
    expect(lab.time.now() - before).toBeGreaterThan(25_000);
  });

  it("waits for it, and uses what the other finished", async () => {
    await using lab = await half(HOUR);
    const [object] = lab.objects();
    if (object === undefined) throw new Error("nothing is there");
    lab.world.inject({
      op: "observe",
      nth: 6,
      effect: {
        kind: "hook",
        when: "before",
        run: () => lab.world.machine("local").rename(object, object.name.replace(/\.new$/, "")),
      },
    });
    expect(await run(lab)).toBe(7);
    expect(lab.objects()).toMatchObject([{ id: object.id }]);
  });

  it("waits no longer than a minute or so, and then asks to try again later", async () => {
    await using lab = await half(HOUR);
    const before = lab.time.now();
    await expect(run(lab)).rejects.toMatchObject({
      code: "BLOCKED",
      exitCode: 75,
      message: expect.stringContaining("another sandkeep is creating it"),
    });
    const waited = lab.time.now() - before;
    expect(waited).toBeGreaterThanOrEqual(MINUTE);
    expect(waited).toBeLessThan(2 * MINUTE);
  });
});
