import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FaultProxy } from "../support/fault-proxy.ts";
import { describeWithServices } from "../support/services.ts";
import { Project, actionsOf, changeOf, outcomesOf } from "./cli.ts";

// One fleet's life on a real engine, told in order, beside another fleet and a container of nobody's.

let project: Project;
let other: Project;

const CONFIG = `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
[sandbox.docker]
image = "sandkeep-test/busybox:1"
memory = "64MiB"
cpus = 0.5
pids = 64
[agents.work]
sessions = ["main", "review"]
[agents.work.sandbox.workspace]
access = "rw"
[agents.ops]
[agents.ops.sandbox.workspace]
access = "ro"
`;

interface Inspected {
  readonly Id: string;
  readonly State: { readonly Status: string; readonly StartedAt: string };
  readonly HostConfig: Readonly<Record<string, unknown>>;
}

async function inspected(name: string, of = project): Promise<Inspected> {
  const [found] = JSON.parse(await of.docker("inspect", name)) as Inspected[];
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

async function nameOf(address: string, of = project): Promise<string> {
  const found = (await of.list()).find((each) => each.address === address);
  if (found === undefined) throw new Error(`there is no ${address}`);
  return found.name;
}

async function inside(agent: string, script: string): Promise<{ code: number | null; stdout: string }> {
  const { code, stdout } = await project.run(["run", "--agent", agent, "--", "sh", "-c", script]);
  return { code, stdout: stdout.trim() };
}

describeWithServices("a fleet of containers from init to destroy", (services) => {
  let bystander = "";
  let neighbours: Inspected[] = [];

  beforeAll(async () => {
    // A destroy that nothing helps to remember looks at every engine, so each must answer.
    const { docker, podman } = services();
    const options = { docker: docker.host, env: { CONTAINER_HOST: podman.host } };
    [project, other] = await Promise.all([Project.open(options), Project.open(options)]);
    await other.config(
      `[sandbox]\nbackend = "docker"\nready = { command = ["true"] }\n[sandbox.docker]\nimage = "sandkeep-test/busybox:1"\n[agents.work]`,
    );
    await other.ok("apply", "--yes");
    bystander = `bystander-${project.fleet}`;
    await project.docker("run", "-d", "--name", bystander, "sandkeep-test/busybox:1", "sleep", "600");
    neighbours = [await inspected(bystander), await inspected(await nameOf("agent/work", other))];
  });
  afterAll(async () => {
    await project.docker("rm", "-f", bystander);
    await project[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });

  test("init writes a docker fleet that is valid", async () => {
    await project.ok("init", "--backend", "docker", "--fleet", project.fleet);
    await project.ok("validate");
    expect(await readFile(join(project.root, "sandkeep.toml"), "utf8")).toContain("[sandbox.docker]");
  });

  test("a saved plan is carried out as it is, and then nothing is left to do", async () => {
    await project.config(CONFIG);
    expect(await project.run(["plan", "--detailed-exitcode", "--out", "p.json"])).toMatchObject({ code: 2 });
    expect(await project.containers()).toEqual([]);
    const result = await project.apply("p.json");
    expect(outcomesOf(result)).toEqual({ "agent/ops": "create done", "agent/work": "create done" });
    expect(await project.containers()).toEqual([await nameOf("agent/ops"), await nameOf("agent/work")]);
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
    expect(await project.apply()).toMatchObject({ calls: { write: 0 }, exit_code: 0, outcomes: [] });
  });

  test("the limits hold, by the engine's word", async () => {
    const { HostConfig } = await inspected(await nameOf("agent/work"));
    expect(HostConfig).toMatchObject({
      Memory: 67_108_864,
      NanoCpus: 500_000_000,
      PidsLimit: 64,
      ReadonlyRootfs: true,
      NetworkMode: "none",
      Privileged: false,
      CapDrop: ["ALL"],
    });
    expect(String(HostConfig["SecurityOpt"])).toContain("no-new-privileges");
  });

  test("inside there is no network, no capability, and no way to write to the image", async () => {
    const links = await inside("work", "ls /sys/class/net");
    expect(links.stdout.split(/\s+/)).toEqual(["lo"]);
    expect((await inside("work", "wget -T 2 -q -O- http://10.0.0.1/")).code).not.toBe(0);
    expect((await inside("work", "touch /bin/x || touch /x || touch /etc/x")).code).not.toBe(0);
    const { stdout } = await inside("work", "grep -E 'CapEff|NoNewPrivs' /proc/self/status");
    expect(stdout.replaceAll(/\s+/g, " ")).toBe("CapEff: 0000000000000000 NoNewPrivs: 1");
  });

  test("the workspace is the project: writable for one agent, to read for the other", async () => {
    await project.file("input.txt", "from outside\n");
    expect(await inside("work", "pwd; cat input.txt; echo inside > output.txt")).toEqual({
      code: 0,
      stdout: "/workspace\nfrom outside",
    });
    expect(await readFile(join(project.root, "output.txt"), "utf8")).toBe("inside\n");
    expect((await inside("ops", "cat output.txt")).stdout).toBe("inside");
    expect((await inside("ops", "echo no > output.txt")).code).not.toBe(0);
  });

  test("a limit is changed on the running container", async () => {
    const before = await inspected(await nameOf("agent/work"));
    await project.edit('memory = "64MiB"', 'memory = "96MiB"');
    const plan = await project.plan();
    expect(changeOf(plan, "agent/work")).toMatchObject({
      actions: ["update"],
      origin: "config",
      reasons: expect.arrayContaining([
        expect.objectContaining({
          path: "docker.memory",
          before: 67_108_864,
          after: 100_663_296,
          source: expect.objectContaining({ file: "sandkeep.toml", line: 10 }),
        }),
      ]),
    });
    await project.ok("apply", "--yes");
    const after = await inspected(await nameOf("agent/work"));
    expect(after).toMatchObject({ Id: before.Id, HostConfig: { Memory: 100_663_296 } });
  });

  test("what shapes a container replaces it, and the workspace stays", async () => {
    const before = await inspected(await nameOf("agent/work"));
    await project.edit("pids = 64", 'pids = 64\nlabels = { tier = "two" }');
    const plan = await project.plan();
    expect(changeOf(plan, "agent/work")).toMatchObject({
      actions: ["recreate"],
      impact: { workspace: "kept" },
    });
    expect(await project.ok("plan")).toContain("-/+ agent/work");
    expect(await project.apply()).toMatchObject({ summary: { done: 2 }, exit_code: 0 });
    const after = await inspected(await nameOf("agent/work"));
    expect(after.Id).not.toBe(before.Id);
    expect(await project.containers()).toHaveLength(2);
    expect((await inside("work", "cat output.txt")).stdout).toBe("inside");
    await project.ok("recreate", "--agent", "ops", "--yes");
    expect((await inspected(await nameOf("agent/work"))).Id).toBe(after.Id);
  });

  test("the engine is asked once what it is, to plan and to carry out", async () => {
    const { docker } = services();
    await using proxy = await FaultProxy.open(join(project.folder, "asked.sock"), docker.socket);
    const env = { DOCKER_HOST: `unix://${proxy.path}` };
    expect(await project.run(["recreate", "agent/ops", "--yes"], { env })).toMatchObject({ code: 0 });
    const asked = (kind: string) => proxy.calls.filter((call) => call.kind === kind).length;
    expect(asked("POST /containers/create")).toBe(1);
    expect(asked("GET /info")).toBe(1);
  });

  test("an idle container is pruned, dormant for every machine, and woken by its next use", async () => {
    expect(await project.ok("prune", "--idle", "1ms", "--dry-run")).toContain("2 to remove");
    expect(await project.containers()).toHaveLength(2);
    await project.ok("prune", "--idle", "1ms", "--yes", "--target", "agent/ops");
    expect(await project.containers()).toHaveLength(1);
    const elsewhere = { env: { SANDKEEP_STATE_DIR: join(project.folder, "elsewhere") } };
    const there = await project.run(["plan", "--detailed-exitcode"], elsewhere);
    expect(there).toMatchObject({ code: 0, stdout: expect.stringContaining("1 dormant") });
    expect(actionsOf(await project.plan())).toEqual({});
    expect((await inside("ops", "echo awake")).stdout).toBe("awake");
    expect(await project.plan()).toMatchObject({ dormant: [], summary: { no_op: 2 } });
  });

  test("losing the state directory leads to an empty plan, and prunes nothing", async () => {
    await rename(project.state, `${project.state}.lost`);
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
    expect(await project.ok("prune", "--idle", "1ms", "--dry-run")).toContain("No changes");
  });

  test("destroy goes by labels without a config, and leaves nothing of ours", async () => {
    await rename(join(project.root, "sandkeep.toml"), join(project.root, "gone"));
    // On a machine where nothing speaks of another engine: none is missed.
    const alone = { env: { CONTAINER_HOST: undefined, PATH: project.folder } };
    const destroyed = await project.run(["destroy", "--all", "--yes", "--fleet", project.fleet], alone);
    expect(destroyed).toMatchObject({ code: 0, stdout: expect.stringContaining("2 done") });
    expect(await project.containers()).toEqual([]);
    expect(
      await project.docker("volume", "ls", "-q", "--filter", `label=sandkeep.fleet=${project.fleet}`),
    ).toBe("");
  });

  test("nothing else on the engine was touched in all this", async () => {
    const now = [await inspected(bystander), await inspected(await nameOf("agent/work", other))];
    expect(now).toEqual(neighbours);
  });
});
