import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../contract/harness.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { everyArgv, isRunning, uniqueSleep } from "../support/processes.ts";
import { describeWithServices } from "../support/services.ts";
import { Project, filesBelow } from "./cli.ts";

// A secret's value is looked for everywhere it must not be, while a command that has it runs.

const CANARY = "canary-7d1f0c-value";

const CONFIG = (backend: string): string => `
[sandbox]
backend = "${backend}"
setup = ["test -n \\"$TOKEN\\" && echo was-set > was-set"]
secrets = { TOKEN = { env = "SECRET_SOURCE" }, FROM_FILE = { file = "secret.txt" }, FROM_COMMAND = { command = ["cat", "secret.txt"] } }
[sandbox.workspace]
access = "rw"
${backend === "docker" ? '[sandbox.docker]\nimage = "sandkeep-test/busybox:1"\n' : ""}[agents.main]
`;

async function lookEverywhere(project: Project, backend: string): Promise<void> {
  const said: string[] = [];
  const note = async (argv: readonly string[]): Promise<void> => {
    const ran = await project.run([...argv, "--log-level", "debug"]);
    expect({ argv, code: ran.code }).toEqual({ argv, code: 0 });
    said.push(ran.stdout, ran.stderr);
  };
  await note(["plan", "--verbose", "--json"]);
  await note(["plan", "--out", "plan.json"]);
  await note(["apply", "--yes", "plan.json"]);
  for (const verb of ["explain", "list", "inspect"]) {
    const argv = verb === "inspect" ? [verb, "agent/main"] : [verb];
    await note(argv);
    await note([...argv, "--json"]);
  }
  const tag = uniqueSleep();
  const running = project.start(["run", "--log-level", "debug", "--", "sh", "-c", `sleep ${tag}`]);
  await until(() => isRunning(tag), "the command");
  expect((await everyArgv()).filter((argv) => argv.includes(CANARY))).toEqual([]);
  if (backend === "docker") {
    const names = await project.containers();
    said.push(await project.docker("inspect", ...names));
    said.push(await project.docker("volume", "ls", "--format", "{{json .}}"));
  }
  for (const [path, content] of await filesBelow(project.state)) said.push(path, content);
  said.push(await readFile(join(project.root, "plan.json"), "utf8"));
  running.child.kill("SIGTERM");
  said.push((await running.ended).stderr);
  expect(said.filter((each) => each.includes(CANARY))).toEqual([]);
}

async function secretive(docker?: string): Promise<Project> {
  const project = await Project.open({
    ...(docker === undefined ? {} : { docker }),
    env: { SECRET_SOURCE: CANARY },
  });
  await project.config(CONFIG(docker === undefined ? "local" : "docker"));
  await project.file("secret.txt", `${CANARY}\n`);
  return project;
}

const SHOW = ["run", "--", "sh", "-c", 'echo "$TOKEN $FROM_FILE $FROM_COMMAND"; cat was-set'];

async function expectInjected(project: Project): Promise<void> {
  expect(await project.ok(...SHOW)).toBe(`${CANARY} ${CANARY} ${CANARY}\nwas-set\n`);
  const without = await project.run(["run", "--", "true"], { env: { SECRET_SOURCE: undefined } });
  expect(without.stderr).toContain("TOKEN");
  expect(without.code).not.toBe(0);
  const before = await project.list();
  const rotated = await project.run(["plan", "--json"], { env: { SECRET_SOURCE: "canary-rotated" } });
  // Setup consumed it, so the new value needs a new runtime, and neither value is told.
  expect(JSON.parse(rotated.stdout)).toMatchObject({
    changes: [{ actions: [expect.stringMatching(/recreate|update/)] }],
  });
  expect(rotated.stdout + rotated.stderr).not.toMatch(/canary-(rotated|7d1f0c)/);
  const unresolved = await project.run(["plan", "--detailed-exitcode"], {
    env: { SECRET_SOURCE: undefined },
  });
  expect(unresolved).toMatchObject({ code: 0 });
  expect(await project.list()).toEqual(
    before.map((row) => ({
      ...row,
      age_s: expect.anything(),
      idle_s: expect.anything(),
      last_used_at: expect.anything(),
    })),
  );
}

test("a secret of the local backend reaches commands and nothing else", async () => {
  await using project = await secretive();
  await lookEverywhere(project, "local");
  await expectInjected(project);
});

describeWithServices("secrets on a real engine", (services) => {
  test("a secret of a container reaches commands and nothing else", async () => {
    await using project = await secretive(services().docker.host);
    await lookEverywhere(project, "docker");
    await expectInjected(project);
  });

  test("an engine is told the secrets of a run, and not those of a setup", async () => {
    await using project = await secretive(services().docker.host);
    const path = join(project.folder, "engine.sock");
    await using proxy = await FaultProxy.open(path, services().docker.socket);
    const env = { DOCKER_HOST: `unix://${path}` };
    const told: string[] = [];
    proxy.lie = {
      asked: (call, body) => {
        if (JSON.stringify(body).includes(CANARY)) told.push(call);
        return body;
      },
    };
    expect(await project.run(["apply", "--yes"], { env })).toMatchObject({ code: 0 });
    expect(proxy.calls.filter(({ kind }) => kind === "POST /containers/{}/exec")).not.toEqual([]);
    expect(told).toEqual([]);
    expect((await project.run(SHOW, { env })).stdout).toContain("was-set");
    expect(told).toEqual(["POST /containers/{}/exec"]);
  });
});
