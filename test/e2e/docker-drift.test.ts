import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ApplyResult } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/model/plan.ts";
import { describeWithServices } from "../support/services.ts";
import type { Listed } from "./cli.ts";
import { Project, actionsOf, changeOf, outcomesOf, reasonsOf } from "./cli.ts";

// Whatever a person does to a container behind sandkeep's back, plan names and apply puts right. One fleet with an agent
// for each way to meddle: meddled with, planned and applied once, then looked at agent by agent.

interface Meddling {
  readonly agent: string;
  readonly meddle: (docker: Docker, name: string) => Promise<unknown>;
  readonly actions: readonly string[];
  readonly reasons: Readonly<Record<string, readonly [unknown, unknown]>>;
  readonly why: RegExp;
}
type Docker = (...args: readonly string[]) => Promise<string>;

const MiB = 2 ** 20;
let network = "";

const MEDDLINGS: readonly Meddling[] = [
  {
    agent: "memory",
    meddle: (docker, name) => docker("update", "--memory", "128m", "--memory-swap", "256m", name),
    actions: ["update"],
    reasons: {
      "docker.memory": [128 * MiB, 64 * MiB],
      "docker.memory_swap": [256 * MiB, 128 * MiB],
    },
    why: /docker\.memory, docker\.memory_swap can be changed in place/,
  },
  {
    agent: "cpus",
    meddle: (docker, name) => docker("update", "--cpus", "1", name),
    actions: ["update"],
    reasons: { "docker.cpus": [1, 0.5] },
    why: /docker\.cpus/,
  },
  {
    agent: "pids",
    meddle: (docker, name) => docker("update", "--pids-limit", "99", name),
    actions: ["update"],
    reasons: { "docker.pids": [99, 64] },
    why: /docker\.pids/,
  },
  {
    agent: "stopped",
    meddle: (docker, name) => docker("stop", "-t", "0", name),
    actions: ["start"],
    reasons: { state: ["stopped", "running"] },
    why: /stopped/,
  },
  {
    agent: "killed",
    meddle: (docker, name) => docker("kill", name),
    actions: ["start"],
    reasons: { state: ["stopped", "running"] },
    why: /stopped/,
  },
  {
    agent: "paused",
    meddle: (docker, name) => docker("pause", name),
    actions: ["start"],
    reasons: { state: ["paused", "running"] },
    why: /paused/,
  },
  {
    agent: "renamed",
    meddle: (docker, name) => docker("rename", name, `${name}-by-hand`),
    actions: ["adopt"],
    reasons: {},
    why: /it was renamed to .*-by-hand/,
  },
  {
    agent: "removed",
    meddle: (docker, name) => docker("rm", "-f", name),
    actions: ["create"],
    reasons: {},
    why: /it does not exist/,
  },
  {
    agent: "connected",
    meddle: (docker, name) => docker("network", "connect", network, name),
    actions: ["recreate"],
    reasons: { "docker.network": [expect.stringContaining("bridge,"), "bridge"] },
    why: /docker\.network can only be changed by replacing it/,
  },
  {
    agent: "detached",
    meddle: (docker, name) => docker("network", "disconnect", "bridge", name),
    actions: ["recreate"],
    reasons: { "docker.network": [null, "bridge"] },
    why: /docker\.network can only be changed by replacing it/,
  },
];

const CONFIG = `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
[sandbox.docker]
image = "sandkeep-test/busybox:1"
network = "bridge"
memory = "64MiB"
cpus = 0.5
pids = 64
${MEDDLINGS.map(({ agent }) => `[agents.${agent}]`).join("\n")}
[agents.untouched]
`;

describeWithServices("drift on a real engine", (services) => {
  let project: Project;
  let before: readonly Listed[];
  let after: readonly Listed[];
  let drifted: readonly Listed[];
  let plan: Plan;
  let text = "";
  let result: ApplyResult;

  beforeAll(async () => {
    project = await Project.open({ docker: services().docker.host });
    network = `net-${project.fleet}`;
    await project.config(CONFIG);
    await project.docker("network", "create", network);
    await project.ok("apply", "--yes");
    before = await project.list();
    const docker: Docker = (...args) => project.docker(...args);
    await Promise.all(MEDDLINGS.map(({ agent, meddle }) => meddle(docker, rowOf(before, agent).name)));
    drifted = await project.list();
    plan = await project.plan();
    text = await project.ok("plan");
    result = await project.apply();
    after = await project.list();
  });
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
    await project.docker("network", "rm", network);
  });

  test.each(MEDDLINGS)("$agent: named with before and after, and repaired", async (meddling) => {
    const address = `agent/${meddling.agent}`;
    const change = changeOf(plan, address);
    expect(change).toMatchObject({ actions: meddling.actions, why: expect.stringMatching(meddling.why) });
    expect(reasonsOf(plan, address)).toEqual(meddling.reasons);
    if (change.reasons.length > 0) expect(change.origin).toBe("live");
    expect(text).toContain(address);
    expect(outcomesOf(result)[address]).toBe(`${meddling.actions.join("+")} done`);
    const row = rowOf(after, meddling.agent);
    expect(row).toMatchObject({
      status: "running",
      config: "match",
      name: rowOf(before, meddling.agent).name,
    });
    const made = meddling.actions.some((each) => each === "create" || each === "recreate");
    expect(row.object_id === rowOf(before, meddling.agent).object_id).toBe(!made);
  });

  test("a value of the config is told with its line", async () => {
    const lines = (await readFile(join(project.root, "sandkeep.toml"), "utf8")).split("\n");
    const line = lines.indexOf("cpus = 0.5") + 1;
    expect(text).toContain(`docker.cpus:  1 → 0.5  sandkeep.toml:${line}`);
    const [reason] = changeOf(plan, "agent/cpus").reasons;
    expect(reason?.source).toMatchObject({ file: "sandkeep.toml", line });
  });

  test("list calls them drifted before, and none after", () => {
    expect(rowOf(drifted, "memory")).toMatchObject({ config: "drift", status: "running" });
    expect(rowOf(drifted, "stopped")).toMatchObject({ status: "stopped" });
    expect(rowOf(drifted, "untouched")).toMatchObject({ config: "match", status: "running" });
    expect(after.filter((each) => each.config !== "match")).toEqual([]);
  });

  test("the one left alone is left alone, and then nothing is left to do", async () => {
    expect(changeOf(plan, "agent/untouched")).toMatchObject({ actions: ["no-op"] });
    expect(rowOf(after, "untouched").object_id).toBe(rowOf(before, "untouched").object_id);
    const again = await project.plan("--detailed-exitcode");
    expect(actionsOf(again)).toEqual({});
    expect(again.exit_code).toBe(0);
    expect(await project.containers()).toEqual(before.map((each) => each.name).toSorted());
  });
});

function rowOf(rows: readonly Listed[], agent: string): Listed {
  const found = rows.find((each) => each.address === `agent/${agent}`);
  if (found === undefined) throw new Error(`agent/${agent} is not listed`);
  return found;
}
