import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { filesOf } from "../stage/scene.ts";
import { describeWithServices } from "../support/services.ts";
import { Project, reasonsOf } from "./cli.ts";

// Staged writes as a person has them: an agent's changes are looked at, applied, taken back, thrown away or exported.

const exec = promisify(execFile);
const read = (project: Project, name: string): Promise<string> => readFile(join(project.root, name), "utf8");

interface Listed {
  readonly address: string;
  readonly tree: string;
  readonly changes: unknown;
  readonly conflicts: number;
}

async function listed(project: Project): Promise<Listed> {
  const { stages } = await project.json("stage", "list");
  const [stage] = stages as Listed[];
  if (stage === undefined) throw new Error("there is no stage");
  return stage;
}

async function pathsOf(project: Project, ...more: readonly string[]): Promise<string[]> {
  const { changes } = await project.json("stage", "diff", ...more);
  return (changes as { change: string; path: string }[]).map(({ change, path }) => `${change} ${path}`);
}

describe("on this machine", () => {
  let project: Project;
  beforeAll(async () => {
    project = await Project.open();
    await project.config(`
[sandbox]
backend = "local"
writes = "staged"
[stage]
auto_apply = ["docs/**"]
deny = ["secrets/**"]
[agents.work]`);
    await mkdir(join(project.root, "docs"));
    await project.file("notes.txt", "one\r\ntwo\r\n");
    await project.file("script.sh", "#!/bin/sh\n");
    await project.ok("apply", "--yes");
  });
  afterAll(async () => project[Symbol.asyncDispose]());

  const run = (script: string) => project.run(["run", "--", "sh", "-ec", script]);

  test("what a run writes reaches the workspace only by a rule, or by a person", async () => {
    const ran = await run(`printf 'one\\r\\ntwo!\\r\\n' > notes.txt; chmod +x script.sh; mkdir -p docs empty
      echo page > docs/page.md; printf '\\0\\377' > 'odd
name'; ln -s notes.txt link`);
    expect(ran).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("1 change applied by [stage] auto_apply"),
    });
    expect(ran.stderr).toContain("5 staged changes (3 added, 2 modified)");
    expect(await read(project, "docs/page.md")).toBe("page\n");
    expect(await read(project, "notes.txt")).toBe("one\r\ntwo\r\n");
    expect(await pathsOf(project)).toEqual([
      "added empty",
      "added link",
      "modified notes.txt",
      "added odd\nname",
      "mode script.sh",
    ]);
    expect(await project.ok("stage", "diff", "--stat")).toContain("odd\\nname");
  });

  test("explain says how the copy is kept", async () => {
    expect(await project.ok("explain")).toMatch(/staged writes: the agent's copy is kept by (copy|reflink):/);
  });

  test("the page that shows it brings everything with it, and none of the agent's text is code", async () => {
    await run("echo '<script>alert(1)</script>' > 'x<img>.txt'");
    await project.ok("stage", "diff", "--html", "page.html", "--agent", "work");
    const page = await read(project, "page.html");
    expect(page).toContain("&lt;script&gt;alert(1)");
    expect(page).toContain("x&lt;img&gt;.txt");
    expect(page).not.toMatch(/<script|<img|https?:/);
    await rm(join(project.root, "page.html"));
  });

  test("nothing is applied without a yes, and a part of it on demand", async () => {
    expect(await project.run(["stage", "apply"])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("add --yes"),
    });
    expect(await project.json("stage", "apply", "--path", "notes.txt", "--yes")).toMatchObject({
      status: "applied",
      applied: [{ path: "notes.txt" }],
      exit_code: 0,
    });
    expect(await read(project, "notes.txt")).toBe("one\r\ntwo!\r\n");
    await expect(readlink(join(project.root, "link"))).rejects.toThrow("ENOENT");
  });

  test("what changed on both sides is a conflict, named with what each did, and stops all of it", async () => {
    await run("echo agent > script.sh; mkdir -p secrets; echo s > secrets/key; ln -s /etc/passwd out");
    await project.file("script.sh", "a person's\n");
    const refused = await project.json("stage", "apply", "--yes");
    expect(refused).toMatchObject({
      status: "refused",
      exit_code: 3,
      applied: [],
      conflicts: [{ path: "script.sh", agent: "modified", workspace: "modified" }],
    });
    expect(refused["refusals"]).toMatchObject([
      { path: "out", code: "link-outside" },
      { path: "secrets", code: "denied", key: "stage.deny[0]", file: "sandkeep.toml" },
      { path: "secrets/key", code: "denied" },
    ]);
    await expect(readlink(join(project.root, "link"))).rejects.toThrow("ENOENT");
    expect(await read(project, "script.sh")).toBe("a person's\n");
    const selected = ["script.sh", "secrets", "out"].flatMap((each) => ["--path", each]);
    await project.ok("stage", "discard", ...selected, "--yes");
    expect((await listed(project)).conflicts).toBe(0);
  });

  test("a patch of it does in a repository what applying it does", async () => {
    const clone = join(project.folder, "clone");
    await exec("cp", ["-a", project.root, clone]);
    await exec("git", ["init", "-q", clone]);
    await rm(join(project.root, "notes.txt"));
    await project.file("notes.txt", "one\r\ntwo!\r\n");
    await project.ok("stage", "export", "--output", join(project.folder, "a.patch"));
    await exec("git", ["-C", clone, "apply", join(project.folder, "a.patch")]);
    await project.ok("stage", "apply", "--yes");
    const [real, patched] = [filesOf(project.root), filesOf(clone)];
    const shown = (files: typeof real) =>
      [...files].filter(([path, { kind }]) => !path.startsWith(".git") && kind !== "folder");
    expect(shown(patched)).toEqual(shown(real));
  });

  test("and it can be taken back, and applied again", async () => {
    const after = filesOf(project.root);
    expect(await project.json("stage", "apply", "--reverse", "--yes")).toMatchObject({ status: "reversed" });
    await expect(readlink(join(project.root, "link"))).rejects.toThrow("ENOENT");
    expect(await project.json("stage", "apply", "--yes")).toMatchObject({ status: "applied" });
    expect([...filesOf(project.root)]).toEqual([...after]);
    expect(await pathsOf(project)).toEqual([]);
  });

  test("a stage without changes follows the workspace, and one in use is left alone", async () => {
    await project.file("notes.txt", "of a person\n");
    expect(await run("cat notes.txt")).toMatchObject({ stdout: "of a person\n" });
    const gate = join(project.folder, "gate");
    const running = project.start([
      "run",
      "--",
      "sh",
      "-c",
      `echo x > new; while [ ! -e ${gate} ]; do sleep 0.1; done`,
    ]);
    const { tree } = await listed(project);
    await expect
      .poll(() => readFile(join(tree, "new"), "utf8").catch(() => ""), { timeout: 45_000 })
      .toBe("x\n");
    expect(await project.run(["stage", "apply", "--yes"])).toMatchObject({ code: 75 });
    await writeFile(gate, "");
    expect((await running.ended).code).toBe(0);
    expect(await project.run(["stage", "apply", "--yes"])).toMatchObject({ code: 0 });
    expect(await read(project, "new")).toBe("x\n");
  });

  test("unapplied work outlives its sandbox", async () => {
    await run("echo kept > kept.txt");
    const destroyed = await project.run(["destroy", "--all", "--yes"]);
    expect(destroyed).toMatchObject({ code: 0 });
    expect(destroyed.stdout).toContain("agent/work has 1 unapplied change in its stage, which is kept");
    expect(await pathsOf(project)).toEqual(["added kept.txt"]);
    await project.ok("apply", "--yes");
    expect(await run("cat kept.txt")).toMatchObject({ code: 0, stdout: "kept\n" });
    await project.ok("stage", "discard", "--yes");
    expect(await run("cat kept.txt")).toMatchObject({ code: 1 });
  });

  test("what git ignores stays in the stage where the rule says so", async () => {
    await exec("git", ["init", "-q", project.root]);
    await project.file(".gitignore", "cache/\n");
    await project.edit('deny = ["secrets/**"]', 'git_ignored = "exclude"');
    await run("mkdir cache; echo c > cache/c; echo k > kept");
    expect(await project.json("stage", "apply", "--yes")).toMatchObject({
      status: "applied",
      left: ["cache", "cache/c"],
    });
    await expect(stat(join(project.root, "cache"))).rejects.toThrow("ENOENT");
    await project.ok("stage", "discard", "--yes");
  });
});

describeWithServices("in a container", (services) => {
  test("the agent's copy is mounted instead of the workspace, and a change of writes replaces the sandbox", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await project.config(`
[sandbox]
backend = "docker"
writes = "staged"
[sandbox.workspace]
access = "rw"
[sandbox.docker]
image = "sandkeep-test/busybox:1"
[agents.work]`);
    await project.file("notes.txt", "one\n");
    await chmod(join(project.root, "notes.txt"), 0o640);
    await symlink("notes.txt", join(project.root, "link"));
    await project.ok("apply", "--yes");
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
    const ran = await project.run(["run", "--", "sh", "-c", "cat link; echo two >> notes.txt; rm link"]);
    expect(ran).toMatchObject({ code: 0, stdout: "one\n" });
    expect(await read(project, "notes.txt")).toBe("one\n");
    expect(await pathsOf(project)).toEqual(["deleted link", "modified notes.txt"]);
    const env = { DOCKER_HOST: "unix:///nonexistent/sandkeep-test/docker.sock" };
    for (const action of ["apply", "discard"]) {
      const away = await project.run(["stage", action, "--yes"], { env });
      expect(away).toMatchObject({ code: 69, stderr: expect.stringContaining("BACKEND_UNOBSERVED") });
    }
    await project.ok("stage", "apply", "--yes");
    expect(await read(project, "notes.txt")).toBe("one\ntwo\n");
    expect((await stat(join(project.root, "notes.txt"))).mode & 0o777).toBe(0o640);
    await project.file("notes.txt", "three\n");
    expect(await project.run(["run", "--", "cat", "notes.txt"])).toMatchObject({
      code: 0,
      stdout: "three\n",
    });
    const kept = await project.run(["run", "--ephemeral", "--keep", "--", "true"]);
    const address = /ephemeral\/[\w-]+/.exec(kept.stderr)?.[0] ?? "";
    expect(await project.run(["run", "--in", address, "--", "sh", "-c", "echo x > f"])).toMatchObject({
      code: 0,
    });
    expect(await pathsOf(project, address)).toEqual(["added f"]);
    await project.ok("destroy", address, "--yes");
    await project.edit('writes = "staged"', 'writes = "direct"');
    const plan = await project.plan();
    expect(reasonsOf(plan, "agent/work")).toMatchObject({ writes: ["staged", "direct"] });
    await project.ok("apply", "--yes");
    await project.ok("run", "--", "sh", "-c", "echo direct > notes.txt");
    expect(await read(project, "notes.txt")).toBe("direct\n");
  });
});
