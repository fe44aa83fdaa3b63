import { execFile } from "node:child_process";
import { mkdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { filesOf } from "../stage/scene.ts";
import { Project } from "./cli.ts";
import { pathsOf, read } from "./staged.ts";

// Staged writes as a person has them: an agent's changes are looked at, applied, taken back, thrown away or exported.

const exec = promisify(execFile);

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

  test("one that nobody can read is listed with what to do, and a clean one goes with its sandbox", async () => {
    const { tree } = await listed(project);
    const about = join(dirname(tree), "stage.json");
    const whole = await readFile(about, "utf8");
    await writeFile(about, whole.slice(0, 40));
    expect(await project.json("stage", "list")).toMatchObject({
      stages: [],
      broken: [{ address: "agent/work", folder: dirname(tree), fix: expect.stringContaining(tree) }],
    });
    expect(await project.ok("stage", "list")).toContain("is torn");
    expect(await project.run(["stage", "diff"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("STAGE_DAMAGED"),
    });
    await writeFile(about, whole);
    await mkdir(join(dirname(tree), "apply"));
    await writeFile(join(dirname(tree), "apply", "journal.json"), "{");
    expect(await project.json("stage", "list")).toMatchObject({
      stages: [{ error: expect.stringContaining("torn"), fix: expect.stringContaining("before") }],
    });
    expect(await project.run(["stage", "apply", "--yes"])).toMatchObject({ code: 1 });
    await rm(join(dirname(tree), "apply"), { recursive: true });
    await project.ok("stage", "discard", "--yes");
    await rm(join(dirname(tree), "applied"), { recursive: true, force: true });
    await project.ok("destroy", "--all", "--yes");
    expect(await project.json("stage", "list")).toMatchObject({ stages: [], broken: [] });
    await project.ok("apply", "--yes");
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
