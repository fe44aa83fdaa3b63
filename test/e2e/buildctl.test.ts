// The buildkit backend from the built CLI by way of buildctl: a stub of it, which has the real worker do the work.
import { chmod, copyFile, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { postureSchema } from "../../src/model/posture.ts";
import { until } from "../contract/harness.ts";
import { isRunning, uniqueSleep } from "../support/processes.ts";
import { describeWith } from "../support/services.ts";
import { Project } from "./cli.ts";

const STUB = join(import.meta.dirname, "../support/buildctl-stub.mjs");

describeWith(["newer", "docker", "buildx"], "commands by way of a stub of buildctl", (services) => {
  let project: Project;
  let work = "";

  const config = (socket: string, setup: string): string => `
[sandbox]
backend = "buildkit"
setup = ["${setup}"]
[sandbox.workspace]
source = "work"
[sandbox.buildkit]
endpoint = "docker://${socket}"
image = "${services().newer.images.busybox}"
buildctl_path = "${project.root}/buildctl-stub"
cache = { max_age = "1h", max_size = "100GiB" }
[agents.main]
`;

  beforeAll(async () => {
    project = await Project.open();
    work = join(project.root, "work");
    await mkdir(work);
    await copyFile(STUB, join(project.root, "buildctl-stub"));
    await chmod(join(project.root, "buildctl-stub"), 0o755);
    await project.config(config(services().newer.socket, "echo layer > /etc/from-setup"));
  });
  afterAll(async () => {
    await project?.[Symbol.asyncDispose]();
  });

  const sh = (script: string): string[] => ["run", "--agent", "main", "--", "sh", "-c", script];

  test.each([
    ["JSON", "0.32.0"],
    ["lines", "0.12.5"],
  ])(
    "progress as %s: exact code and streams, what it changed, and why a setup line fails",
    async (_, version) => {
      const env = { BUILDCTL_STUB_VERSION: version };
      await writeFile(join(work, "gone.txt"), "gone\n");
      const ran = await project.run(
        sh("cat /etc/from-setup; ls; echo new > n; chmod 700 n; rm gone.txt; echo err >&2; exit 7"),
        { env },
      );
      expect([ran.code, ran.stdout]).toEqual([7, "layer\ngone.txt\n"]);
      expect(ran.stderr).toContain("err\n");
      expect(await readdir(work)).toEqual(["n"]);
      expect(await readFile(join(work, "n"), "utf8")).toBe("new\n");
      await project.run(sh("rm n"), { env });
      expect(await readdir(work)).toEqual([]);

      await project.edit('setup = ["echo layer', 'setup = ["echo no such tool; exit 3; echo layer');
      const failed = await project.run(sh("true"), { env });
      await project.edit("echo no such tool; exit 3; ", "");
      expect(failed.code).toBe(1);
      expect(failed.stderr).toMatch(/exit code: 3\\nno such tool \[BUILDKIT_SETUP\]/);
    },
  );

  test("one that is ended has told all that it wrote, and nothing of it runs on", async () => {
    const tag = uniqueSleep();
    const running = project.start(sh(`echo before; exec sleep ${tag}`));
    await until(() => isRunning(tag), "the command to begin", 50_000);
    running.child.kill("SIGTERM");
    expect(await running.ended).toMatchObject({ code: 143, stdout: "before\n" });
    await until(async () => !(await isRunning(tag)), "its end on the worker");
  });

  test("posture tells it, prune has it cut the cache down, and an engine too old for it is refused", async () => {
    const status = postureSchema.parse(JSON.parse(await project.ok("status", "--probe", "--json")));
    expect(status.engines).toMatchObject([
      {
        status: "ready",
        client: { name: "buildctl", version: "0.32.0", program: expect.stringMatching(/stub$/) },
      },
    ]);
    const pruned = await project.run(["prune", "--cache", "--yes"]);
    expect([pruned.code, pruned.stderr]).toEqual([0, expect.stringContaining("cut down to")]);
    await project.config(config(services().docker.socket, "true"));
    const refused = await project.run(sh("true"));
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("knows no named contexts")]);
  });
});
