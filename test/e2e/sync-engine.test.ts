// A workspace kept in step with its volume on an engine of another machine, reached over SSH, from the built CLI.
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { startSshd } from "../support/sshd.ts";
import { Project } from "./cli.ts";

describeWith(["docker", "ssh"], "a workspace on a host's engine", (services) => {
  let sshd: Sshd;
  let project: Project;
  const at = (name: string): string => join(project.root, "work", name);
  const there = async (script: string): Promise<string> =>
    (await project.ok("run", "--", "sh", "-c", script)).trim();

  // Told in order: the later tests go on where the first one ended.
  beforeAll(async () => {
    [sshd, project] = await Promise.all([startSshd(), Project.open({ docker: services().docker.host })]);
    await project.config(`[hosts.build1]
docker = "unix://${services().docker.socket}"
${sshd.line}
[sandbox]
backend = "docker"
host = "build1"
[sandbox.workspace]
source = "work"
access = "rw"
[sandbox.docker]
image = "${services().docker.images.busybox}"
[agents.main]`);
    await mkdir(at("src"), { recursive: true });
    await writeFile(at("src/main"), "one");
    await writeFile(at("old"), "old");
    await project.ok("apply", "--yes");
  });
  afterAll(async () => {
    await project?.[Symbol.asyncDispose]();
    await sshd?.[Symbol.asyncDispose]();
  });

  test("goes there and comes back by sync", async () => {
    expect(await project.ok("sync", "status")).toContain("are alike");

    await writeFile(at("src/main"), "two");
    await there("rm old; printf made >src/made");
    expect(await project.json("sync", "status")).toMatchObject({
      exit_code: 0,
      workspaces: [
        {
          status: "differs",
          host: "build1",
          here: [{ path: "src/main", change: "modified" }],
          there: [
            { path: "old", change: "deleted" },
            { path: "src/made", change: "added" },
          ],
        },
      ],
    });
    await project.ok("sync", "push");
    expect(await there("cat src/main src/made; ls")).toBe("twomadesrc");
    await project.ok("sync", "pull");
    expect(await readFile(at("src/made"), "utf8")).toBe("made");
    await expect(stat(at("old"))).rejects.toMatchObject({ code: "ENOENT" });
    expect(await project.ok("sync", "status")).toContain("are alike");
  });

  test("goes there before each run where that is asked for, and not over what changed there", async () => {
    await project.edit('source = "work"', 'source = "work"\nsync = "before-run"');
    await writeFile(at("src/main"), "three");
    expect(await there("cat src/main; printf theirs >src/main")).toBe("three");
    await writeFile(at("src/main"), "mine");
    const refused = await project.run(["run", "--", "sh", "-c", "echo it ran"]);
    expect(refused).toMatchObject({ code: 3, stdout: "" });
    expect(refused.stderr).toContain("src/main (here: modified; there: modified)");
    await project.ok("sync", "push", "--force", "--yes");
    expect(await there("cat src/main")).toBe("mine");
  });

  test("is not written under a command that only the engine knows of", async () => {
    const [runtime] = await project.list();
    await project.docker("exec", "--detach", runtime?.object_id ?? "", "sleep", "600");
    await writeFile(at("src/main"), "under it");
    for (const argv of [
      ["sync", "push"],
      ["run", "--", "echo", "it ran"],
    ]) {
      const refused = await project.run(argv);
      expect(refused.code).toBe(75);
      expect(refused.stdout + refused.stderr).toContain("a command runs in it");
      expect(refused.stdout).not.toContain("it ran");
    }
  });
});
