import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { startSshd } from "../support/sshd.ts";
import { Project } from "./cli.ts";

const run = promisify(execFile);

// One workspace and its copy on a host, told in order: each test goes on where the one before it ended.
describeWith(["ssh"], "a workspace kept in step with its copy on a host", () => {
  let project: Project;
  let sshd: Sshd;

  async function configure(workspace: string, more = ""): Promise<void> {
    await writeFile(
      join(project.root, "sandkeep.toml"),
      `version = 1
fleet = "${project.fleet}"
fleet_id = "k3v9q2"
[hosts.build1]
${sshd.line}
[sandbox]
backend = "ssh"
host = "build1"
[sandbox.workspace]
source = "work"
access = "rw"
${workspace}
[sandbox.ssh]
workspace_root = "${join(project.folder, "sandboxes")}"
[agents.main]
${more}`,
    );
  }
  const at = (...parts: readonly string[]): string => join(project.root, "work", ...parts);
  const there = async (script: string): Promise<string> => await project.ok("run", "--", "sh", "-c", script);

  beforeAll(async () => {
    [project, sshd] = await Promise.all([Project.open(), startSshd()]);
    await mkdir(at("src", "deep"), { recursive: true });
    await run("git", ["-C", at(), "init", "-q"]);
    await writeFile(at(".gitignore"), "built/\n*.log\n");
    await mkdir(at("built"));
    await writeFile(at("built", "app"), "large");
    await writeFile(at("a.log"), "noise");
    await writeFile(at("src", "main.txt"), "one\n");
    await writeFile(at("src", "deep", "old.txt"), "old\n");
    await writeFile(at("tool"), "#!/bin/sh\n");
    await configure('ignore = "gitignore"');
    await project.ok("apply", "--yes");
  });
  afterAll(async () => {
    await sshd?.[Symbol.asyncDispose]();
    await project?.[Symbol.asyncDispose]();
  });

  test("what git ignores is neither copied nor missed", async () => {
    expect(await there("ls -A")).toContain(".git\n.gitignore\nsrc\ntool\n");
    expect(await project.ok("sync", "status")).toContain("are alike");
  });

  test("a push brings all kinds of changes there, and a dry run none", async () => {
    await writeFile(at("src", "main.txt"), "two\n");
    await rm(at("src", "deep"), { recursive: true });
    await writeFile(at("src", "deep"), "a file now\n");
    await chmod(at("tool"), 0o755);
    await mkdir(at("new folder", "empty"), { recursive: true });
    await writeFile(at("new folder", "-n\nline"), "odd\n");
    await symlink("src/main.txt", at("link"));
    const dry = await project.json("sync", "push", "--dry-run");
    expect(dry).toMatchObject({
      dry_run: true,
      exit_code: 0,
      workspaces: [{ status: "differs", there: [] }],
    });
    expect(await there("cat src/main.txt")).toContain("one\n");
    const pushed = await project.json("sync", "push", "main");
    expect(pushed).toMatchObject({ exit_code: 0, workspaces: [{ status: "moved", conflicts: [] }] });
    const listed = await there(
      "cat src/main.txt src/deep 'new folder'/-*; ls -d 'new folder/empty'; readlink link; [ -x tool ] && echo runs; ls -A",
    );
    expect(listed).toContain("two\na file now\nodd\nnew folder/empty\nsrc/main.txt\nruns\n");
    expect(listed).not.toContain(".sandkeep-sync");
    expect(await project.ok("sync", "status")).toContain("are alike");
  });

  test("a pull brings them here, whole, and refuses what may not come", async () => {
    await there(
      "rm -r 'new folder'; printf 'three\\n' > src/main.txt; mkdir -p out/in; printf '\\0\\1' > out/in/data; chmod 700 tool; ln -s main.txt src/link; echo x > built.log",
    );
    await project.ok("sync", "pull");
    expect(await readFile(at("src", "main.txt"), "utf8")).toBe("three\n");
    expect([...(await readFile(at("out", "in", "data")))]).toEqual([0, 1]);
    expect((await stat(at("tool"))).mode & 0o777).toBe(0o700);
    expect(await readlink(at("src", "link"))).toBe("main.txt");
    await expect(stat(at("new folder"))).rejects.toMatchObject({ code: "ENOENT" });
    await expect(stat(at("built.log"))).rejects.toMatchObject({ code: "ENOENT" });
    await there(
      "ln -s /etc/passwd src/out; cp tool src/root; chmod 4755 src/root; mkfifo src/pipe; echo x > src/fine; printf x > .git/hooks/pre-commit",
    );
    const refused = await project.run(["sync", "pull"]);
    expect(refused.code).toBe(3);
    for (const path of ["src/out", "src/root", "src/pipe", ".git/hooks/pre-commit"])
      expect(refused.stdout).toContain(`${path}: `);
    await expect(stat(at("src", "fine"))).rejects.toMatchObject({ code: "ENOENT" });
    await there("rm src/out src/root src/pipe .git/hooks/pre-commit");
    await project.ok("sync", "pull");
    expect(await readFile(at("src", "fine"), "utf8")).toBe("x\n");
  });

  test("what changed on both sides is named, and nothing moves either way", async () => {
    await there("echo there > src/main.txt; echo new > there.txt");
    await writeFile(at("src", "main.txt"), "here\n");
    await writeFile(at("here.txt"), "new\n");
    for (const way of ["push", "pull"]) {
      const refused = await project.run(["sync", way]);
      expect(refused.code).toBe(3);
      expect(refused.stdout).toContain("src/main.txt: here modified, there modified");
    }
    expect(await there("ls -A")).not.toContain("\nhere.txt");
    await expect(stat(at("there.txt"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("a side that is said to win does, for the paths that are named, after it was asked about", async () => {
    await there("printf 'there\\n' >src/won; printf 'there\\n' >src/lost");
    await Promise.all(["won", "lost"].map((name) => writeFile(at("src", name), "here\n")));
    const unasked = await project.run(["sync", "push", "--force", "--path", "src/won"]);
    expect(unasked.code).toBe(3);
    expect(unasked.stderr).toContain("src/won: here added, there added");
    expect(unasked.stdout).toContain("add --yes");
    const dry = await project.json("sync", "push", "--force", "--path", "src/won", "--dry-run");
    const overwritten = [{ path: "src/won", path_base64: null, here: "added", there: "added" }];
    expect(dry).toMatchObject({ workspaces: [{ status: "differs", conflicts: [], overwritten }] });
    expect(await there("cat src/won")).toContain("there\n");
    const pushed = await project.json("sync", "push", "--force", "--path", "src/won", "--yes");
    expect(pushed).toMatchObject({ exit_code: 0, workspaces: [{ status: "moved", overwritten }] });
    expect(await there("cat src/won src/lost src/main.txt")).toContain("here\nthere\nthere\n");
    await project.ok("sync", "pull", "--force", "--path", "src/lost", "--yes");
    expect(await readFile(at("src", "lost"), "utf8")).toBe("there\n");
    expect(await readFile(at("src", "main.txt"), "utf8")).toBe("here\n");
    const status = await project.run(["sync", "status", "--force"]);
    expect(status).toMatchObject({ code: 64 });
  });

  test("before-run brings what is newer here, and runs nothing while both differ", async () => {
    await configure('ignore = "gitignore"\nsync = "before-run"');
    const refused = await project.run(["run", "--", "sh", "-c", "echo it ran"]);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("src/main.txt (here: modified; there: modified)");
    expect(refused.stdout).not.toContain("it ran");
    await writeFile(at("src", "main.txt"), "there\n");
    expect(await there("cat src/main.txt here.txt there.txt")).toContain("there\nnew\nnew\n");
    await writeFile(at("src", "main.txt"), "newer\n");
    expect(await there("cat src/main.txt")).toContain("newer\n");
    expect(await project.json("sync", "status")).toMatchObject({
      workspaces: [{ status: "differs", here: [], there: [{ path: "there.txt", change: "added" }] }],
    });
  });

  test("staged writes: what the agent did there is reviewed and applied here, and thrown away there", async () => {
    await project.ok("sync", "pull");
    await configure('ignore = "gitignore"', '[agents.main.sandbox]\nwrites = "staged"\n');
    await project.ok("apply", "--yes");
    const ran = await project.run([
      "run",
      "--",
      "sh",
      "-c",
      "echo agent > src/main.txt; echo new > made.txt",
    ]);
    expect(ran.stderr).toContain("2 staged changes (1 added, 1 modified)");
    expect(await readFile(at("src", "main.txt"), "utf8")).toBe("newer\n");
    expect(await project.ok("stage", "diff", "--stat")).toContain("src/main.txt");
    await project.ok("stage", "apply", "--path", "made.txt", "--yes");
    expect(await readFile(at("made.txt"), "utf8")).toBe("new\n");
    await project.ok("stage", "discard", "--yes");
    await writeFile(at("here.txt"), "followed\n");
    expect(await there("cat src/main.txt made.txt here.txt")).toContain("newer\nnew\nfollowed\n");
    expect(await readFile(at("src", "main.txt"), "utf8")).toBe("newer\n");
  });

  test("staged writes: what is only there when its sandbox goes is in the stage here afterwards", async () => {
    const folder = (await there("pwd")).trim();
    await writeFile(join(folder, "late.txt"), "of nobody's run\n");
    await project.ok("destroy", "--all", "--yes");
    await expect(stat(folder)).rejects.toMatchObject({ code: "ENOENT" });
    expect(await project.ok("stage", "diff", "--stat")).toContain("late.txt");
  });
});
