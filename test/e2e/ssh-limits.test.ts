import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import type { LimitingSshd } from "../support/systemd-stub.ts";
import { startLimitingSshd, startSshdAlone } from "../support/systemd-stub.ts";
import { Project, actionsOf } from "./cli.ts";

// A fleet whose hosts are to keep limits: first one that cannot, then one that does, with a stub for its systemd.
describeWith(["ssh"], "a fleet with limits on a host over SSH", () => {
  let project: Project;
  let alone: Sshd;
  let limiting: LimitingSshd;

  async function configure(sshd: Sshd, limits: string): Promise<void> {
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
setup = ["cat /proc/self/cgroup > made.txt"]
[sandbox.ssh]
workspace_root = "${join(project.folder, "sandboxes")}"
${limits}
[agents.main]
`,
    );
  }

  beforeAll(async () => {
    project = await Project.open();
    [alone, limiting] = await Promise.all([startSshdAlone(), startLimitingSshd()]);
  });
  afterAll(async () => {
    await project?.[Symbol.asyncDispose]();
    await Promise.all([alone?.[Symbol.asyncDispose](), limiting?.[Symbol.asyncDispose]()]);
  });

  test("a host that cannot keep them is told of by every view, and nothing is made there", async () => {
    await configure(alone, 'memory = "64MiB"');
    // Which of them, the machine of the test decides.
    const reason = /systemd-run-missing|cgroup-v2-missing|user-manager-missing/;
    for (const verb of [["plan"], ["apply", "--yes"]]) {
      const ran = await project.run(verb);
      expect([ran.code, ran.stdout]).toEqual([3, expect.stringMatching(reason) as unknown]);
    }
    expect((await project.run(["status", "--probe"])).stdout).toMatch(reason);
    const explained = await project.ok("explain");
    expect(explained).toMatch(reason);
    expect(explained).toContain("unavailable");
    const refused = await project.run(["run", "--", "true"]);
    expect(refused.code).not.toBe(0);
    expect((await project.list()).map(({ status }) => status)).toEqual(["missing"]);
  });

  test("one that keeps them does so for setup and run, and the limit's change is made in place", async () => {
    await configure(limiting, 'memory = "64MiB"\ncpus = 1.5\npids = 100');
    await project.ok("apply", "--yes");
    const both = await project.ok("run", "--", "cat", "made.txt", "/proc/self/cgroup");
    expect(both.match(/sandkeep-[0-9a-f]{16}\.slice/g)).toHaveLength(2);
    const object = /sandkeep-([0-9a-f]{16})\.slice/.exec(both)?.[1] ?? "";
    expect(await limiting.read(object, "memory.max")).toBe(String(64 * 1024 * 1024));
    await limiting.write(object, "memory.max", "max");
    expect(actionsOf(await project.plan())).toEqual({ "agent/main": ["update"] });
    await configure(limiting, 'memory = "1GiB"\ncpus = 1.5\npids = "unlimited"');
    await project.ok("apply", "--yes");
    expect(await limiting.read(object, "memory.max")).toBe(String(1024 ** 3));
    expect(await limiting.read(object, "pids.max")).toBe("max");
    expect(actionsOf(await project.plan())).toEqual({});
    const explained = (await project.ok("explain")).replace(/\s+/g, " ");
    expect(explained).toContain("systemd to lift them");
    expect(explained).toContain("over ssh2, the built-in SSH client");
    expect(explained).toMatch(/ssh\.memory 1GiB default: sandbox\.ssh\.memory at sandkeep\.toml:12/);
  });

  test("a run is refused once they would no longer hold, and destroy leaves no slice", async () => {
    await limiting.stub("absent", true);
    const refused = await project.run(["run", "--", "echo", "ran"]);
    expect(refused.code).toBe(77);
    expect(refused.stdout).not.toContain("ran");
    expect(refused.stderr).toContain("no systemd user manager");
    await limiting.stub("absent", false);
    await project.ok("destroy", "--all", "--yes");
    expect(await limiting.slices()).toEqual(
      expect.not.arrayContaining([expect.stringMatching(/^sandkeep-/)]),
    );
  });
});
