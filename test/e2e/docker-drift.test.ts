import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import Docker from "dockerode";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ApplyResult } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/model/plan.ts";
import { describeWithServices } from "../support/services.ts";
import type { Document, Listed } from "./cli.ts";
import { Project, actionsOf, changeOf, outcomesOf, reasonsOf } from "./cli.ts";
import type { Hands } from "./drift-cases.ts";
import { DRIFT_CASES, FLEET_KEYS, UNSEEN, remaker } from "./drift-cases.ts";

// Whatever a person does to a container behind sandkeep's back, plan names and apply puts right. One fleet with an agent
// for each way to meddle: meddled with, planned and applied once, then looked at agent by agent.

const CONFIG = `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
[sandbox.docker]
${FLEET_KEYS}
${DRIFT_CASES.map(({ agent, config = "" }) => `[agents.${agent}.sandbox]\n${config}`).join("\n")}
[agents.untouched]
[agents.edited]
`;
const SLOW_MS = 300_000;

describeWithServices("drift on a real engine", (services) => {
  let project: Project;
  let before: readonly Listed[];
  let after: readonly Listed[];
  let touched: readonly Listed[];
  let network = "";
  let shown: Document;
  let plan: Plan;
  let text = "";
  let result: ApplyResult;

  beforeAll(async () => {
    const { host, socket } = services().docker;
    project = await Project.open({ docker: host });
    network = `net-${project.fleet}`;
    await project.config(CONFIG);
    await mkdir(join(project.root, "data"));
    await project.docker("network", "create", network);
    await project.ok("apply", "--yes");
    before = await project.list();
    const remake = remaker(new Docker({ socketPath: socket }));
    const hands: Hands = { docker: (...args) => project.docker(...args), remake, network };
    for (const { agent, meddle } of DRIFT_CASES) await meddle(hands, rowOf(before, agent).name);
    await project.docker("exec", rowOf(before, "edited").name, "sh", "-c", "echo x > /workspace/x");
    touched = await project.list();
    plan = await project.plan();
    text = await project.ok("plan");
    shown = await project.json("inspect", "agent/untouched");
    result = await project.apply();
    after = await project.list();
  }, SLOW_MS);
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
    await project.docker("network", "rm", network);
  });

  test.each(DRIFT_CASES)("$agent: named with before and after, and repaired", (meddling) => {
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
    expect(row.object_id === rowOf(touched, meddling.agent).object_id).toBe(!made);
  });

  test("a value of the config is told with its line", async () => {
    const lines = (await readFile(join(project.root, "sandkeep.toml"), "utf8")).split("\n");
    const line = lines.indexOf("cpus = 0.5") + 1;
    expect(text).toContain(`docker.cpus:  1 → 0.5  sandkeep.toml:${line}`);
    const [reason] = changeOf(plan, "agent/cpus").reasons;
    expect(reason?.source).toMatchObject({ file: "sandkeep.toml", line });
  });

  test("list calls them drifted before, and none after", () => {
    expect(rowOf(touched, "memory")).toMatchObject({ config: "drift", status: "running" });
    expect(rowOf(touched, "stopped")).toMatchObject({ status: "stopped" });
    expect(rowOf(touched, "untouched")).toMatchObject({ config: "match", status: "running" });
    expect(after.filter((each) => each.config !== "match")).toEqual([]);
  });

  test("every field that inspect shows has a case", () => {
    const fields = new Set(DRIFT_CASES.map(({ field }) => field));
    const { observed } = shown as {
      readonly observed: { readonly fields: Readonly<Record<string, unknown>> };
    };
    expect(Object.keys(observed.fields).filter((path) => !fields.has(path) && !(path in UNSEEN))).toEqual([]);
  });

  test("files that a command wrote are the agent's own", () => {
    expect(changeOf(plan, "agent/edited")).toMatchObject({ actions: ["no-op"] });
    expect(rowOf(after, "edited").object_id).toBe(rowOf(before, "edited").object_id);
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
