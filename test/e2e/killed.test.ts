import { randomInt } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { describeWithServices } from "../support/services.ts";
import { Project, actionsOf } from "./cli.ts";

// The CLI may be killed at any moment, and may race another one: the next apply always ends where the config points.

const AGENTS = ["a", "b", "c"];
const ROUNDS = 5;

const config = (round: number): string => `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
setup = ["echo ${round} > /workspace/round"]
[sandbox.docker]
image = "sandkeep-test/busybox:1"
labels = { round = "${round}" }
${AGENTS.map((agent) => `[agents.${agent}]`).join("\n")}
`;

/** Exactly one container an address, under its canonical name, running, and made by this round. */
async function expectConverged(project: Project, names: readonly string[], round: number): Promise<void> {
  expect(await project.containers()).toEqual(names);
  const states = await project.docker(
    "inspect",
    "--format",
    '{{.State.Status}} {{index .Config.Labels "round"}}',
    ...names,
  );
  expect(states.split("\n")).toEqual(names.map(() => `running ${round}`));
  for (const agent of AGENTS) {
    expect(await project.ok("run", "--agent", agent, "--", "cat", "/workspace/round")).toBe(`${round}\n`);
  }
}

async function namesOf(project: Project): Promise<string[]> {
  return (await project.plan()).changes.map((each) => each.name).toSorted();
}

describeWithServices("interrupted and racing applies", (services) => {
  const open = (): Promise<Project> => Project.open({ docker: services().docker.host });

  test("killed at any moment, the next apply converges", async () => {
    await using project = await open();
    await project.config(config(0));
    const names = await namesOf(project);
    const moments: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await project.config(config(round));
      const running = project.start(["apply", "--yes"]);
      const moment = randomInt(250, 1800);
      moments.push(moment);
      await Promise.race([sleep(moment), running.ended]);
      running.child.kill("SIGKILL");
      await running.ended;
      const told = `killed after ${moments.join(", ")} ms`;
      const result = await project.apply();
      expect(result.exit_code, `${told}: ${JSON.stringify(result.outcomes)}`).toBe(0);
      expect(actionsOf(await project.plan()), told).toEqual({});
      await expectConverged(project, names, round);
    }
  });

  test("interrupted once, it finishes what is running and exits 130", async () => {
    await using project = await open();
    await project.config(config(1).replace("echo 1", "sleep 1; echo 1"));
    const running = project.start(["apply", "--yes", "--parallelism", "1"]);
    let told = "";
    await new Promise<void>((resolve) => {
      running.child.stderr?.on("data", (chunk: Buffer) => {
        told += chunk.toString();
        if (told.includes("setup")) resolve();
      });
      running.child.once("exit", () => resolve());
    });
    running.child.kill("SIGINT");
    const ran = await running.ended;
    expect(ran).toMatchObject({ code: 130, stderr: expect.stringContaining("finishing what is running") });
    const left = await project.containers();
    expect(left.filter((name) => /\.(new|old)$/.test(name))).toEqual([]);
    expect(left.length).toBeLessThan(AGENTS.length);
    expect((await project.apply()).exit_code).toBe(0);
    expect(await project.containers()).toHaveLength(AGENTS.length);
  });

  test.each([
    ["creating", 0],
    ["replacing", 1],
  ])("two machines %s at once never double a container", async (_, first) => {
    await using project = await open();
    await project.config(config(0));
    const names = await namesOf(project);
    if (first === 1) await project.ok("apply", "--yes");
    await project.config(config(first));
    const elsewhere = { env: { SANDKEEP_STATE_DIR: join(project.folder, "elsewhere") } };
    const both = await Promise.all([
      project.run(["apply", "--yes"]),
      project.run(["apply", "--yes"], elsewhere),
    ]);
    // Done, or beaten to it: never a failure.
    for (const ran of both) expect([0, 4], ran.stdout + ran.stderr).toContain(ran.code);
    await project.ok("apply", "--yes");
    await expectConverged(project, names, first);
    expect(await project.run(["plan", "--detailed-exitcode"], elsewhere)).toMatchObject({ code: 0 });
  });

  test("two applies of one machine: the second is told to come back", async () => {
    await using project = await open();
    await project.config(config(2).replace("echo 2", "sleep 2; echo 2"));
    const running = project.start(["apply", "--yes"]);
    while (running.child.exitCode === null && (await project.containers()).length === 0) await sleep(30);
    const second = await project.run(["apply", "--yes", "--json"]);
    expect(second).toMatchObject({ code: 75, stderr: expect.stringContaining("LEASE_HELD") });
    expect(JSON.parse(second.stdout)).toMatchObject({ error: { code: "LEASE_HELD" } });
    expect((await project.run(["plan"])).code).toBe(0);
    expect((await running.ended).code).toBe(0);
    expect(await project.apply()).toMatchObject({ calls: { write: 0 }, exit_code: 0 });
  });
});
