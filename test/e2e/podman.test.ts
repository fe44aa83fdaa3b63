import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runManifestSchema } from "../../src/model/run-manifest.ts";
import { triageSchema } from "../../src/model/triage.ts";
import { describeWith } from "../support/services.ts";
import type { Listed } from "./cli.ts";
import { Project, actionsOf, changeOf, outcomesOf, reasonsOf } from "./cli.ts";

// One fleet's life on a real Podman, told in order.

const CONFIG = `
[sandbox]
backend = "podman"
ready = { command = ["true"], interval = "50ms" }
[sandbox.podman]
image = "sandkeep-test/busybox:1"
memory = "64MiB"
cpus = 0.5
[agents.work]
[agents.work.sandbox.workspace]
access = "rw"
[agents.stopped]
[agents.killed]
[agents.removed]
`;

describeWith(["podman"], "a fleet on Podman from init to destroy", (services) => {
  let project: Project;
  let made: readonly Listed[] = [];
  const rowOf = (rows: readonly Listed[], agent: string): Listed => {
    const found = rows.find((each) => each.address === `agent/${agent}`);
    if (found === undefined) throw new Error(`agent/${agent} is not listed`);
    return found;
  };

  beforeAll(async () => {
    project = await Project.open({ podman: services().podman.host });
  });
  afterAll(() => project[Symbol.asyncDispose]());

  test("init writes a podman fleet that is valid", async () => {
    await project.ok("init", "--backend", "podman", "--fleet", project.fleet);
    await project.ok("validate");
    expect(await readFile(join(project.root, "sandkeep.toml"), "utf8")).toContain("[sandbox.podman]");
  });

  test("what Podman would leave out in silence is refused with its line", async () => {
    await project.config(`${CONFIG}[agents.gpu.sandbox.podman]\ngpus = "all"\nnetwork = "ns:/proc/1/ns/net"`);
    const { diagnostics } = await project.json("validate");
    expect(diagnostics).toMatchObject([
      { code: "gpus-unsupported", path: "agents.gpu.sandbox.podman.gpus", line: 19 },
      { code: "network-container", path: "agents.gpu.sandbox.podman.network", line: 20 },
    ]);
  });

  test("is made as planned, and then nothing is left to do", async () => {
    await project.config(CONFIG);
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 2 });
    expect(outcomesOf(await project.apply())).toEqual({
      "agent/killed": "create done",
      "agent/removed": "create done",
      "agent/stopped": "create done",
      "agent/work": "create done",
    });
    made = await project.list();
    expect(made.map(({ status, config }) => [status, config])).toEqual(made.map(() => ["running", "match"]));
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
    expect(await project.apply()).toMatchObject({ calls: { write: 0 }, exit_code: 0, outcomes: [] });
  });

  test.each([0, 7, 126, 127, 137])("run exits with the command's own code %i", async (code) => {
    const ran = await project.run(["run", "--agent", "work", "--", "sh", "-c", `echo out; exit ${code}`]);
    expect(ran).toMatchObject({ code, stdout: "out\n" });
  });

  test("commands work in the project, and see nothing else of this machine", async () => {
    const script = "echo made > made.txt; ls /sys/class/net; touch /etc/x 2>/dev/null || echo read-only";
    const ran = await project.run(["run", "--agent", "work", "--", "sh", "-c", script]);
    expect(ran.stdout).toBe("lo\nread-only\n");
    expect(await readFile(join(project.root, "made.txt"), "utf8")).toBe("made\n");
  });

  test("a sandbox for one command is gone after it, and triage thinks of its memory", async () => {
    const before = (await project.list()).map((each) => each.address);
    const ran = await project.run([
      "run",
      "--ephemeral",
      "--json",
      "--",
      "sh",
      "-c",
      "echo made; tail /dev/zero",
    ]);
    expect(ran.code).toBe(137);
    const { run_id } = runManifestSchema.parse(JSON.parse(ran.stdout));
    expect((await project.list()).map((each) => each.address)).toEqual(before);
    const triage = triageSchema.parse(await project.json("runs", "triage", run_id, "--tail", "1"));
    expect(triage).toMatchObject({
      run: {
        backend: "podman",
        signal: "SIGKILL",
        ephemeral: { keep: false },
        logs: { stdout: { bytes: 5 } },
      },
      diagnosis: { next: expect.stringContaining("memory") },
    });
  });

  test("what a person does is named, and put right", async () => {
    await Promise.all([
      project.docker("stop", "-t", "0", rowOf(made, "stopped").name),
      project.docker("kill", rowOf(made, "killed").name),
      project.docker("rm", "-f", "-t", "0", rowOf(made, "removed").name),
    ]);
    const plan = await project.plan();
    expect(actionsOf(plan)).toEqual({
      "agent/killed": ["start"],
      "agent/removed": ["create"],
      "agent/stopped": ["start"],
    });
    expect(reasonsOf(plan, "agent/stopped")).toEqual({ state: ["stopped", "running"] });
    expect(changeOf(plan, "agent/killed")).toMatchObject({ origin: "live" });
    expect(outcomesOf(await project.apply())).toEqual({
      "agent/killed": "start done",
      "agent/removed": "create done",
      "agent/stopped": "start done",
    });
    expect(actionsOf(await project.plan())).toEqual({});
    const after = await project.list();
    expect(after.map(({ name }) => name)).toEqual(made.map(({ name }) => name));
    expect(rowOf(after, "stopped").object_id).toBe(rowOf(made, "stopped").object_id);
  });

  test("a limit cannot change in place, so its change replaces the sandbox, and says so before", async () => {
    await project.edit('memory = "64MiB"', 'memory = "96MiB"');
    const plan = await project.plan();
    expect(changeOf(plan, "agent/work")).toMatchObject({ actions: ["recreate"], origin: "config" });
    expect(reasonsOf(plan, "agent/work")["podman.memory"]).toEqual([64 * 2 ** 20, 96 * 2 ** 20]);
    expect(outcomesOf(await project.apply())["agent/work"]).toBe("recreate done");
    const [found] = JSON.parse(await project.docker("inspect", rowOf(made, "work").name)) as {
      readonly HostConfig: { readonly Memory: number };
    }[];
    expect(found?.HostConfig.Memory).toBe(96 * 2 ** 20);
    expect(await project.apply()).toMatchObject({ calls: { write: 0 } });
  });

  test("recreate makes it anew, destroy leaves nothing", async () => {
    const before = rowOf(await project.list(), "work").object_id;
    await project.ok("recreate", "agent/work", "--yes");
    expect(rowOf(await project.list(), "work").object_id).not.toBe(before);
    await project.ok("destroy", "--all", "--yes");
    expect(await project.containers()).toEqual([]);
    const label = `label=sandkeep.fleet=${project.fleet}`;
    expect(await project.docker("volume", "ls", "-q", "--filter", label)).toBe("");
  });

  test("a Podman that is away is unreachable, and changes nothing", async () => {
    const env = { CONTAINER_HOST: `unix://${project.folder}/nobody.sock` };
    const ran = await project.run(["plan"], { env });
    expect(ran.code).toBe(69);
    expect(ran.stdout).toContain("COULD NOT OBSERVE podman");
  });
});
