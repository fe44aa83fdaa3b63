import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../support/services.ts";
import type { Cutter, Sshd } from "../support/sshd.ts";
import { startCutter, startSshd } from "../support/sshd.ts";
import { Project, actionsOf } from "./cli.ts";

// One fleet's life on hosts over SSH, told in order: each test goes on where the one before it ended.
describeWith(["ssh"], "a fleet on a host over SSH", () => {
  let project: Project;
  let first: Sshd;
  let second: Sshd;
  let cutter: Cutter;
  const root = (): string => join(project.folder, "sandboxes");

  async function configure(port: number, sshd: Sshd, more = ""): Promise<void> {
    const known = join(project.folder, `known-${String(port)}`);
    await writeFile(known, `[127.0.0.1]:${String(port)} ${sshd.hostKey}\n`);
    await writeFile(
      join(project.root, "sandkeep.toml"),
      `version = 1
fleet = "${project.fleet}"
fleet_id = "k3v9q2"
[hosts.build1]
ssh = { target = "${sshd.user}@127.0.0.1:${String(port)}", identity_file = "${sshd.keyFile}", known_hosts_file = "${known}" }
[sandbox]
backend = "ssh"
host = "build1"
workspace = { access = "rw" }
setup = ["echo made > made.txt"]
[sandbox.ssh]
workspace_root = "${root()}"
[agents.main]
${more}`,
    );
  }

  beforeAll(async () => {
    project = await Project.open();
    [first, second] = await Promise.all([startSshd(), startSshd()]);
    cutter = await startCutter(first.port);
    await mkdir(join(project.root, "src"));
    // More than one packet, so that there is a middle to be cut in.
    await writeFile(join(project.root, "src", "large.bin"), Buffer.alloc(3_000_000, 7));
    await writeFile(join(project.root, "hello.txt"), "from here\n");
    await writeFile(join(project.root, ".sandkeepignore"), "*.pem\n");
    await writeFile(join(project.root, "src", "key.pem"), "stays here\n");
  });
  afterAll(async () => {
    await cutter?.[Symbol.asyncDispose]();
    await Promise.all([first?.[Symbol.asyncDispose](), second?.[Symbol.asyncDispose]()]);
    await project?.[Symbol.asyncDispose]();
  });

  test("a seed that is cut off is never taken for a workspace", async () => {
    await configure(cutter.port, first);
    cutter.cutAfter(1_000_000);
    const torn = await project.run(["apply", "--yes"]);
    expect([1, 69]).toContain(torn.code);
    const place = join(root(), project.fleet, "workspaces");
    const kept = existsSync(place) ? await readdir(place) : [];
    expect(kept.filter((name) => !name.startsWith("."))).toEqual([]);
    cutter.cutAfter(undefined);
  });

  test("apply makes it, run works in the copy there, and a second plan has nothing to do", async () => {
    await project.ok("apply", "--yes");
    expect(await project.ok("run", "--", "cat", "hello.txt", "made.txt")).toContain("from here\nmade\n");
    expect(await project.ok("run", "--", "ls", "-A", "src")).not.toContain("key.pem");
    const wrote = await project.run(["run", "--", "sh", "-c", "echo there > hello.txt; exit 37"]);
    expect(wrote.code).toBe(37);
    expect(await readFile(join(project.root, "hello.txt"), "utf8")).toBe("from here\n");
    expect(actionsOf(await project.plan())).toEqual({});
  });

  test("what drifts is made anew around the same workspace", async () => {
    await configure(cutter.port, first, '[agents.main.sandbox]\nsetup = ["echo again > made.txt"]\n');
    await project.ok("apply", "--yes");
    expect(await project.ok("run", "--", "cat", "hello.txt", "made.txt")).toContain("there\nagain\n");
  });

  test("recreate tells that the workspace goes, and seeds it again", async () => {
    const refused = await project.run(["recreate", "agent/main"]);
    expect(refused.code).toBe(3);
    expect(refused.stdout).toContain("THE WORKSPACE IS LOST and seeded again from its source");
    expect(refused.stderr).toContain("with workspaces");
    expect(await project.ok("run", "--", "cat", "hello.txt")).toContain("there\n");
    await project.ok("recreate", "agent/main", "--yes");
    expect(await project.ok("run", "--", "cat", "hello.txt", "made.txt")).toContain("from here\nagain\n");
    expect(actionsOf(await project.plan())).toEqual({});
  });

  test("a host key that changed is refused with the line that would let it in", async () => {
    await configure(cutter.port, second);
    const refused = await project.run(["plan"]);
    expect(refused.code).toBe(69);
    expect(refused.stdout).toContain(`[127.0.0.1]:${String(cutter.port)}`);
    expect(refused.stdout).toContain(first.hostKey.split(" ")[1]);
    await configure(cutter.port, first);
    expect((await project.plan()).complete).toBe(true);
  });

  test("a host that is elsewhere now leaves its old place behind as an orphan there", async () => {
    const before = root();
    await configure(second.port, second);
    const text = await readFile(join(project.root, "sandkeep.toml"), "utf8");
    await writeFile(join(project.root, "sandkeep.toml"), text.replace(before, `${before}-2`));
    const plan = await project.plan();
    const hosts = plan.changes.map((each) => `${each.actions[0] ?? ""} ${each.host}`);
    expect(hosts).toContain("create build1");
    expect(plan.orphans.map((each) => each.host)).toEqual([
      `build1 (was ${first.user}@127.0.0.1:${String(cutter.port)})`,
    ]);
    cutter.hang(true);
    cutter.cut();
    await cutter[Symbol.asyncDispose]();
    await project.ok("apply", "--yes");
    expect(await project.ok("run", "--", "cat", "hello.txt")).toContain("from here\n");
  });

  test("a host that is away holds up no other, and is told by the exit code only when nothing else went wrong", async () => {
    const more = `[agents.main]
[agents.far.sandbox]
host = "far"
[hosts.far]
ssh = { target = "${first.user}@127.0.0.1:1", identity_file = "${first.keyFile}", known_hosts_file = "${first.knownHostsFile}" }
`;
    await configure(second.port, second, more);
    const path = join(project.root, "sandkeep.toml");
    const made = (await readFile(path, "utf8"))
      .replace("[agents.main]\n[agents.main]", "[agents.main]")
      .replace(`"${root()}"`, `"${root()}-2"`)
      .replace("made.txt", "again.txt");
    await writeFile(path, made);
    const plan = await project.plan();
    expect([plan.complete, plan.exit_code]).toEqual([false, 69]);
    expect(actionsOf(plan)).toEqual({ "agent/main": ["recreate"] });
    expect((await project.run(["apply", "--yes"])).code).toBe(69);
    expect(await project.ok("run", "--agent", "main", "--", "cat", "again.txt")).toContain("made\n");
    await writeFile(path, made.replace("echo made > again.txt", "exit 3"));
    expect([1, 5]).toContain((await project.run(["apply", "--yes"])).code);
  });

  test("destroy removes it, and the workspace with it", async () => {
    await project.run(["destroy", "--all", "--yes"]);
    expect(await readdir(join(`${root()}-2`, project.fleet, "workspaces"))).toEqual([]);
    expect(await readdir(join(`${root()}-2`, project.fleet, "objects"))).toEqual([]);
  });
});
