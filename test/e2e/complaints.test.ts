import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWithServices } from "../support/services.ts";
import type { Document } from "./cli.ts";
import { Project, actionsOf, changeOf, documentOf, outcomesOf } from "./cli.ts";

// What users of other tools complain of and no other test shows to be impossible here. test/house/complaints.test.ts has
// all of the complaints, each with its proof.

const CONFIG = `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
[sandbox.docker]
image = "sandkeep-test/busybox:1"
[agents.a]
[agents.b.sandbox]
protect = true
`;

describeWithServices("a complaint about other tools", (services) => {
  let project: Project;
  const agent = async (
    address: string,
  ): Promise<Document & { readonly object_id: string; readonly name: string }> => {
    const found = (await project.list()).find((each) => each.address === address);
    if (found?.object_id === undefined || found.object_id === null)
      throw new Error(`${address} is not there`);
    return { ...found, object_id: found.object_id };
  };

  beforeAll(async () => {
    project = await Project.open({ docker: services().docker.host });
    await project.config(CONFIG);
    await project.ok("apply", "--yes");
  });
  afterAll(() => project[Symbol.asyncDispose]());

  test("a replaced sandbox keeps the age of the one it replaced", async () => {
    const before = await agent("agent/a");
    await sleep(1100);
    await project.ok("recreate", "agent/a", "--yes");
    const after = await agent("agent/a");
    expect(after.object_id).not.toBe(before.object_id);
    expect(Date.parse(String(after["created_at"]))).toBeGreaterThan(Date.parse(String(before["created_at"])));
  });

  test("dead processes of an agent pile up until no more can be started", async () => {
    const orphans =
      "i=0; while [ $i -lt 40 ]; do (true &); i=$((i+1)); done; sleep 1; cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z ' || true";
    const ran = await project.run(["run", "--agent", "a", "--", "sh", "-c", orphans]);
    expect(ran).toMatchObject({ code: 0, stdout: "0\n" });
    const { name } = await agent("agent/a");
    expect(
      await project.docker("inspect", "-f", "{{.HostConfig.PidsLimit}} {{.HostConfig.Init}}", name),
    ).toBe("512 true");
  });

  test("a stopped engine object is shown as healthy, or an engine that is away as stopped", async () => {
    const { name } = await agent("agent/a");
    await project.docker("kill", name);
    expect(await agent("agent/a")).toMatchObject({ status: "stopped" });
    const ran = await project.run(["list", "--json"], { env: { DOCKER_HOST: "unix:///nonexistent.sock" } });
    expect(ran.code).toBe(69);
    const { runtimes } = documentOf(ran);
    expect(runtimes).toMatchObject([{ status: "unreachable" }, { status: "unreachable" }]);
    await project.ok("apply", "--yes");
  });

  test("protection goes away with the block that said so", async () => {
    await project.edit("[agents.b.sandbox]\nprotect = true\n", "");
    const plan = await project.plan();
    expect(actionsOf(plan)).toEqual({});
    expect(plan.blocked).toMatchObject([{ address: "agent/b", rule: "protected" }]);
    expect(changeOf(plan, "agent/b").why).toMatch(/no longer declared, but it is protected/);
    const before = await agent("agent/a");
    await project.run(["apply", "--yes"]);
    expect(await project.containers()).toHaveLength(2);
    expect((await agent("agent/a")).object_id).toBe(before.object_id);
    await project.ok("destroy", "agent/b", "--unprotect", "--yes");
    expect(await project.containers()).toHaveLength(1);
  });

  test("another sandbox tool's containers are in the way, or are swept away, and nobody says whose they are", async () => {
    const name = `openclaw-sbx-${project.fleet}`;
    await project.docker(
      "create",
      "--name",
      name,
      "--label",
      "openclaw.sandbox=1",
      "sandkeep-test/busybox:1",
    );
    try {
      const { foreign } = await project.json("list", "--all");
      const hint = expect.stringContaining("sandkeep import --from openclaw FILE");
      expect(foreign).toContainEqual(expect.objectContaining({ name, why: "OpenClaw made it", hint }));
      expect(await project.ok("list", "--all")).toContain("sandkeep import --from openclaw FILE");
      expect(await project.ok("list")).not.toContain(name);
      expect((await project.plan()).foreign).toEqual([]);
      expect(outcomesOf(await project.apply())).toEqual({});
      await project.ok("destroy", "--all", "--yes");
      expect(await project.docker("inspect", "-f", "{{.Name}}", name)).toBe(`/${name}`);
    } finally {
      await project.docker("rm", "-f", name);
    }
  });
});
