import { join } from "node:path";
import type { ContainerInspectInfo } from "dockerode";
import Docker from "dockerode";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FaultProxy } from "../support/fault-proxy.ts";
import { describeWithServices } from "../support/services.ts";
import { Project, actionsOf, changeOf, outcomesOf, reasonsOf } from "./cli.ts";

// Limits that the config changes: in place where the engine can, by a replacement where it cannot, and never believed to have
// changed because the engine said 200.

const MiB = 2 ** 20;
const HEAD = `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
[sandbox.docker]
image = "sandkeep-test/busybox:1"
`;
const ALL = 'memory = "64MiB"\ncpus = 0.5\npids = 64\nrestart = "no"';

describeWithServices("a limit in the config", (services) => {
  let project: Project;
  let proxy: FaultProxy;
  let engine: Docker;
  const configure = (keys: string): Promise<void> => project.config(`${HEAD}${keys}\n[agents.a]\n`);
  const inspect = async (): Promise<ContainerInspectInfo> => {
    const [name = ""] = await project.containers();
    return await engine.getContainer(name).inspect();
  };

  beforeAll(async () => {
    const { socket } = services().docker;
    engine = new Docker({ socketPath: socket });
    project = await Project.open({ docker: services().docker.host });
    proxy = await FaultProxy.open(join(project.folder, "engine.sock"), socket);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await project[Symbol.asyncDispose]();
  });

  test("that the engine can change is changed in place, as the engine then shows", async () => {
    await configure(ALL);
    await project.ok("apply", "--yes");
    const before = await inspect();
    await configure(
      'memory = "96MiB"\nmemory_swap = "128MiB"\ncpus = 1\npids = "unlimited"\nrestart = "unless-stopped"',
    );
    expect(outcomesOf(await project.apply())).toEqual({ "agent/a": "update done" });
    const after = await inspect();
    expect(after.Id).toBe(before.Id);
    expect(after.State.StartedAt).toBe(before.State.StartedAt);
    expect(after.HostConfig).toMatchObject({
      Memory: 96 * MiB,
      MemorySwap: 128 * MiB,
      NanoCpus: 1e9,
      RestartPolicy: { Name: "unless-stopped" },
    });
    expect(after.HostConfig.PidsLimit ?? 0).toBeLessThanOrEqual(0);
    expect(actionsOf(await project.plan())).toEqual({});
  });

  test.each([
    [
      "memory",
      'memory = "64MiB"\n',
      { "docker.memory": [64 * MiB, null], "docker.memory_swap": [128 * MiB, null] },
    ],
    ["memory_swap", 'memory_swap = "unlimited"\n', { "docker.memory_swap": ["unlimited", 128 * MiB] }],
    ["cpus", "cpus = 0.5\n", { "docker.cpus": [0.5, null] }],
  ])(
    "without %s any more it is replaced where the engine cannot take the limit away",
    async (key, line, reasons) => {
      const rest = key === "memory_swap" ? 'memory = "64MiB"\n' : "";
      await configure(rest + line);
      await project.ok("apply", "--yes");
      const before = await inspect();
      await configure(rest);
      const plan = await project.plan();
      // Swap has a value without a word in the config, so that it never goes away but with the memory limit.
      const replaced = key !== "memory_swap";
      expect(actionsOf(plan)).toEqual({ "agent/a": [replaced ? "recreate" : "update"] });
      expect(reasonsOf(plan, "agent/a")).toEqual(reasons);
      await project.ok("apply", "--yes");
      const after = await inspect();
      expect(after.Id !== before.Id).toBe(replaced);
      expect(after.HostConfig).toMatchObject({ Memory: replaced ? 0 : 64 * MiB, NanoCpus: 0 });
      expect(actionsOf(await project.plan())).toEqual({});
    },
  );

  test("that the engine took with a 200 and did not set fails the apply, which names it", async () => {
    await configure(ALL);
    await project.ok("apply", "--yes");
    const before = await inspect();
    await configure(ALL.replace("64MiB", "96MiB").replace("pids = 64", "pids = 65"));
    proxy.swallow = "POST /containers/{}/update";
    const env = { DOCKER_HOST: `unix://${proxy.path}` };
    const ran = await project.run(["apply", "--yes"], { env });
    expect(ran.code).toBe(1);
    expect(ran.stderr + ran.stdout).toContain(
      "the engine does not enforce docker.memory (asked 100663296, found 67108864)",
    );
    expect((await inspect()).HostConfig.Memory).toBe(64 * MiB);
    proxy.swallow = undefined;
    expect(outcomesOf(await project.apply())).toEqual({ "agent/a": "update done" });
    const after = await inspect();
    expect(after.Id).toBe(before.Id);
    expect(after.HostConfig).toMatchObject({ Memory: 96 * MiB, PidsLimit: 65 });
  });

  test("as a period alone, set behind our back, is drift, and gives way to a number of cores", async () => {
    await configure("");
    await project.ok("apply", "--yes");
    const before = await inspect();
    await project.docker("update", "--cpu-period", "50000", before.Id);
    const plan = await project.plan();
    expect(actionsOf(plan)).toEqual({ "agent/a": ["recreate"] });
    expect(reasonsOf(plan, "agent/a")).toEqual({ "docker.cpus": ["unlimited (period 50000)", null] });
    await configure("cpus = 1");
    expect(reasonsOf(await project.plan(), "agent/a")).toEqual({
      "docker.cpus": ["unlimited (period 50000)", 1],
    });
    expect(outcomesOf(await project.apply())).toEqual({ "agent/a": "recreate done" });
    expect((await inspect()).HostConfig).toMatchObject({ NanoCpus: 1e9, CpuPeriod: 0 });
    expect(actionsOf(await project.plan())).toEqual({});
  });

  test("that is more exact than an engine keeps it is kept as exactly as it can be", async () => {
    await configure("cpus = 0.3333333333");
    expect((await project.apply()).exit_code).toBe(0);
    expect((await inspect()).HostConfig.NanoCpus).toBe(333_333_333);
    expect(actionsOf(await project.plan())).toEqual({});
  });

  test("changed in place is told apart from one that was changed behind our back since, and from an edit back", async () => {
    await configure('memory = "64MiB"');
    await project.ok("apply", "--yes");
    await configure('memory = "96MiB"');
    expect(outcomesOf(await project.apply())).toEqual({ "agent/a": "update done" });
    const { Id } = await inspect();
    await project.docker("update", "--memory", "128m", "--memory-swap", "256m", Id);
    expect(changeOf(await project.plan(), "agent/a")).toMatchObject({ actions: ["update"], origin: "live" });
    await project.ok("apply", "--yes");
    expect((await inspect()).Id).toBe(Id);
    await configure('memory = "64MiB"');
    expect(changeOf(await project.plan(), "agent/a")).toMatchObject({
      actions: ["update"],
      origin: "config",
    });
    // With the state lost only the labels tell, of 64MiB, and what is done is the same.
    const env = { SANDKEEP_STATE_DIR: join(project.folder, "other-state") };
    const { changes } = JSON.parse((await project.run(["plan", "--json"], { env })).stdout);
    expect(changes).toMatchObject([{ address: "agent/a", actions: ["update"], origin: "live" }]);
  });
});
