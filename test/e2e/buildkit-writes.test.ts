// What a command on a real BuildKit worker changes, of every kind, directly and staged; and whose turn it is, over processes.
import { chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ListedLane } from "../../src/model/lanes.ts";
import { lanesSchema } from "../../src/model/lanes.ts";
import { until } from "../contract/harness.ts";
import { filesOf } from "../stage/scene.ts";
import { isRunning, uniqueSleep } from "../support/processes.ts";
import { describeWith } from "../support/services.ts";
import { Project } from "./cli.ts";

/** Changes one of each kind, and then fails. */
const EDITS = [
  "printf 'two\\n' >> text",
  "printf '\\000\\377\\001' > binary",
  "chmod 755 script",
  "mv old renamed",
  "ln -sfn text link",
  "rm -r gone; mkdir -p new/empty",
  "rm turned; mkdir turned; echo in > turned/in",
  "rm -r folder; echo file > folder",
  "echo odd > 'odd  name'",
  "exit 9",
].join("\n");

describeWith(["docker", "buildx"], "what a command on a BuildKit worker leaves", (services) => {
  let project: Project;
  let work = "";

  const config = (writes: string, lane: string): string => `
[sandbox]
backend = "buildkit"
writes = "${writes}"
[sandbox.workspace]
source = "work"
[sandbox.buildkit]
endpoint = "docker://${services().docker.socket}"
image = "${services().docker.images.busybox}"
${lane}
[agents.main]
[agents.two]
`;

  async function fresh(): Promise<void> {
    await rm(work, { recursive: true, force: true });
    for (const each of ["gone/deep", "folder"]) await mkdir(join(work, each), { recursive: true });
    await writeFile(join(work, ".dockerignore"), "hidden\n");
    await writeFile(join(work, "hidden"), "kept from the worker\n");
    for (const each of ["text", "script", "old", "gone/deep/file", "turned", "folder/file"])
      await writeFile(join(work, each), `${each}\n`);
    await symlink("old", join(work, "link"));
    await chmod(join(work, "script"), 0o644);
  }

  beforeAll(async () => {
    const path = `${services().buildx.folder}:${process.env["PATH"] ?? ""}`;
    project = await Project.open({ env: { PATH: path } });
    work = join(project.root, "work");
  });
  afterAll(async () => {
    await project?.[Symbol.asyncDispose]();
  });

  const sh = (agent: string, script: string): string[] => ["run", "--agent", agent, "--", "sh", "-c", script];

  test("every kind of change, of a command that fails: direct in the workspace, staged in the stage and then the same", async () => {
    await fresh();
    await project.config(config("direct", ""));
    expect((await project.run(sh("main", EDITS))).code).toBe(9);
    const direct = filesOf(work);
    expect([...direct.keys()].toSorted()).toEqual([
      ".dockerignore",
      "binary",
      "folder",
      "hidden",
      "link",
      "new",
      "new/empty",
      "odd  name",
      "renamed",
      "script",
      "text",
      "turned",
      "turned/in",
    ]);

    await fresh();
    const before = filesOf(work);
    await project.config(config("staged", ""));
    expect((await project.run(sh("main", EDITS))).code).toBe(9);
    expect(filesOf(work)).toEqual(before);
    // The next command sees what the one before left in the stage.
    expect((await project.run(sh("main", "cat text; ls new"))).stdout).toBe("text\ntwo\nempty\n");
    expect(await project.json("stage", "apply", "--yes")).toMatchObject({ status: "applied" });
    expect(filesOf(work)).toEqual(direct);
  });

  test("turns: agents one after the other, who leaves the queue frees a place, and so does a holder that is killed", async () => {
    await project.config(config("direct", "max_parallel = 1\nqueue_capacity = 3"));
    const lane = async (): Promise<ListedLane> => {
      const [only] = lanesSchema.parse(JSON.parse(await project.ok("lanes", "--json"))).lanes;
      if (only === undefined) throw new Error("there is no lane");
      return only;
    };
    const waits = async (count: number): Promise<void> =>
      until(async () => (await lane()).waiting.length === count, `${count} to wait`, 50_000);
    const tag = uniqueSleep();
    const holder = project.start(sh("main", `exec sleep ${tag}`));
    await until(() => isRunning(tag), "the command to begin", 50_000);
    const again = project.start(sh("main", "echo again"));
    await waits(1);
    const leaves = project.start(sh("main", "echo never"));
    await waits(2);
    const two = project.start(sh("two", "echo two"));
    await waits(3);
    const { running, waiting } = await lane();
    expect(running).toMatchObject([{ agent: "main", pid: holder.child.pid, since: expect.any(String) }]);
    expect(waiting.map(({ agent, pid }) => [agent, pid])).toEqual([
      ["two", two.child.pid],
      ["main", again.child.pid],
      ["main", leaves.child.pid],
    ]);
    expect(await project.ok("lanes")).toMatch(
      /runs +\S+: main\/main +for [^]*waits \(1\) +\S+: two\/main +for /,
    );

    const full = await project.run(sh("two", "true"));
    expect([full.code, full.stderr]).toEqual([75, expect.stringContaining("LANE_FULL")]);
    leaves.child.kill("SIGTERM");
    expect(await leaves.ended).toMatchObject({ code: 143, stdout: "" });
    await waits(2);

    holder.child.kill("SIGKILL");
    expect(await two.ended).toMatchObject({ code: 0, stdout: "two\n" });
    expect(await again.ended).toMatchObject({ code: 0, stdout: "again\n" });
    await until(async () => !(await isRunning(tag)), "the end of the killed one's command", 50_000);
    expect(await lane()).toMatchObject({ running: [], waiting: [] });
  });
});
