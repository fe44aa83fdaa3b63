import { execFile } from "node:child_process";
import { chmod, readFile, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeWith } from "../support/services.ts";
import { Project, reasonsOf } from "./cli.ts";
import { pathsOf, read } from "./staged.ts";

// Staged writes of an agent that works in a container, whichever engine runs it.

const exec = promisify(execFile);

const ENGINES = [
  { backend: "docker", away: "DOCKER_HOST" },
  { backend: "podman", away: "CONTAINER_HOST" },
] as const;

describe.each(ENGINES)("in a container of $backend", ({ backend, away }) => {
  describeWith([backend], "with staged writes", (services) => {
    let project: Project;
    const agentRuns = (...script: readonly string[]) => project.run(["run", "--", "sh", "-c", ...script]);
    const unseen = { env: { [away]: "unix:///nonexistent/sandkeep-test/engine.sock" } };

    beforeAll(async () => {
      project = await Project.open({ [backend]: services()[backend].host });
      await project.config(`
[sandbox]
backend = "${backend}"
writes = "staged"
[sandbox.workspace]
access = "rw"
[sandbox.${backend}]
image = "sandkeep-test/busybox:1"
[agents.work]`);
      await project.file("notes.txt", "one\n");
      await chmod(join(project.root, "notes.txt"), 0o640);
      await symlink("notes.txt", join(project.root, "link"));
      await project.ok("apply", "--yes");
    });
    afterAll(async () => project[Symbol.asyncDispose]());

    test("the agent's copy is mounted instead of the workspace, and what it changed is applied, in part or whole", async () => {
      expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
      const ran = await agentRuns("cat link; echo two >> notes.txt; rm link; echo a > a; echo b > b");
      expect(ran).toMatchObject({ code: 0, stdout: "one\n" });
      expect(await read(project, "notes.txt")).toBe("one\n");
      const all = ["added a", "added b", "deleted link", "modified notes.txt"];
      expect(await pathsOf(project)).toEqual(all);
      expect(await pathsOf(project, "--agent", "work")).toEqual(all);
      expect(await pathsOf(project, "--path", "a", "--path", "link")).toEqual(["added a", "deleted link"]);
      for (const action of ["apply", "discard"]) {
        const refused = await project.run(["stage", action, "--yes"], unseen);
        expect(refused).toMatchObject({ code: 69, stderr: expect.stringContaining("BACKEND_UNOBSERVED") });
      }
      await project.ok("stage", "diff", "--html", join(project.folder, "page.html"));
      expect(await readFile(join(project.folder, "page.html"), "utf8")).toContain("notes.txt");
      const patch = join(project.folder, "a.patch");
      expect(await project.json("stage", "export", "--output", patch)).toMatchObject({
        files: 4,
        left_out: [],
      });
      const clone = join(project.folder, "clone");
      await exec("cp", ["-a", project.root, clone]);
      await exec("git", ["init", "-q", clone]);
      await exec("git", ["-C", clone, "apply", patch]);
      const some = await project.json("stage", "apply", "--path", "a", "--path", "link", "--yes");
      expect(some).toMatchObject({ status: "applied", left: ["b", "notes.txt"] });
      expect(await project.json("stage", "apply", "--yes")).toMatchObject({ status: "applied", left: [] });
      expect(await readFile(join(clone, "notes.txt"), "utf8")).toBe(await read(project, "notes.txt"));
      expect(await read(project, "notes.txt")).toBe("one\ntwo\n");
      expect((await stat(join(project.root, "notes.txt"))).mode & 0o777).toBe(0o640);
      expect(await project.json("stage", "apply", "--reverse", "--yes")).toMatchObject({
        status: "reversed",
      });
      expect(await read(project, "notes.txt")).toBe("one\n");
      expect(await project.json("stage", "discard", "--yes")).toMatchObject({
        status: "discarded",
        left: [],
      });
      await project.file("notes.txt", "three\n");
      expect(await agentRuns("cat notes.txt")).toMatchObject({ code: 0, stdout: "three\n" });
    });

    test("a stage that nothing declares any more waits for the engine that its sandbox was made on", async () => {
      const kept = await project.run(["run", "--ephemeral", "--keep", "--", "true"]);
      const address = /ephemeral\/[\w-]+/.exec(kept.stderr)?.[0] ?? "";
      expect(await project.run(["run", "--in", address, "--", "sh", "-c", "echo x > f"])).toMatchObject({
        code: 0,
      });
      expect(await pathsOf(project, address)).toEqual(["added f"]);
      const config = await read(project, "sandkeep.toml");
      await project.config('[sandbox]\nbackend = "local"\n[agents.other]');
      const refused = await project.run(["stage", "apply", address, "--yes"], unseen);
      expect(refused).toMatchObject({ code: 69, stderr: expect.stringContaining("BACKEND_UNOBSERVED") });
      await project.file("sandkeep.toml", config);
      await project.ok("destroy", address, "--yes");
      expect(await pathsOf(project, address)).toEqual(["added f"]);
      await project.ok("stage", "discard", address, "--yes");
    });

    test("a change of writes replaces the sandbox", async () => {
      await project.edit('writes = "staged"', 'writes = "direct"');
      const plan = await project.plan();
      expect(reasonsOf(plan, "agent/work")).toMatchObject({ writes: ["staged", "direct"] });
      await project.ok("apply", "--yes");
      expect(await agentRuns("echo direct > notes.txt")).toMatchObject({ code: 0 });
      expect(await read(project, "notes.txt")).toBe("direct\n");
    });
  });
});
