// What the system's ssh must not take part in: the terminal's Ctrl-C, and the death of sandkeep. And how much a host may hold.
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../contract/harness.ts";
import { everyArgv } from "../support/processes.ts";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { startSshd } from "../support/sshd.ts";
import type { Running } from "./cli.ts";
import { Project } from "./cli.ts";

describeWith(["ssh"], "a host that is reached with the system's ssh", () => {
  let project: Project;
  let sshd: Sshd;

  async function configure(agents: string): Promise<void> {
    await writeFile(
      join(project.root, "sandkeep.toml"),
      `version = 1
fleet = "${project.fleet}"
[hosts.build1]
max_runtimes = 1
ssh = { target = "${sshd.user}@127.0.0.1:${String(sshd.port)}", identity_file = "${sshd.keyFile}", known_hosts_file = "${sshd.knownHostsFile}", transport = "openssh" }
[sandbox]
backend = "ssh"
host = "build1"
workspace = { access = "none" }
[sandbox.ssh]
workspace_root = "${join(project.folder, "sandboxes")}"
${agents}`,
    );
  }

  beforeAll(async () => {
    project = await Project.open();
    sshd = await startSshd();
    await configure("[agents.main]\n");
    await project.ok("apply", "--yes");
  });
  afterAll(async () => {
    await sshd?.[Symbol.asyncDispose]();
    await project?.[Symbol.asyncDispose]();
  });

  /** A command in a process group of its own, as a terminal's foreground job is, once it says that it is ready. */
  async function ready(script: string): Promise<{ readonly running: Running; readonly pid: number }> {
    const argv = [
      "run",
      "--agent",
      "main",
      "--",
      "sh",
      "-c",
      `${script}; echo ready; while :; do sleep 0.1; done`,
    ];
    const running = project.start(argv, { ownGroup: true });
    let said = "";
    running.child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes("ready"), "the command", 60_000);
    return { running, pid: running.child.pid ?? 0 };
  }

  test("Ctrl-C reaches the command alone, and its own code comes back", async () => {
    const { running, pid } = await ready("trap 'exit 3' INT");
    process.kill(-pid, "SIGINT");
    expect(await running.ended).toMatchObject({ code: 3 });
  });

  test("a sandkeep that is killed leaves no connection behind, no command, and none of its files", async () => {
    const tag = `tag${String(process.pid)}x${String(Date.now())}`;
    const { running, pid } = await ready(`: ${tag}`);
    const ours = async (): Promise<readonly string[]> =>
      (await everyArgv()).filter(
        (argv) => argv.startsWith("ssh\0") && argv.includes(`\0-p\0${String(sshd.port)}\0`),
      );
    const folders = (await ours()).flatMap((argv) => /\0-F\0([^\0]+)\/config\0/.exec(argv)?.[1] ?? []);
    expect(folders).not.toEqual([]);
    process.kill(pid, "SIGKILL");
    await running.ended;
    const left = async (): Promise<readonly string[]> => [
      ...(await ours()),
      ...(await everyArgv()).filter((argv) => argv.includes(tag)),
      ...folders.filter((folder) => existsSync(folder)),
    ];
    await until(async () => (await left()).length === 0, "an end of all of it", 60_000);
  });

  test("a full host's runtime is made anew there, and no second one beside it", async () => {
    await configure('[agents.main.sandbox]\nsetup = ["true"]\n');
    await project.ok("apply", "--yes");
    await configure('[agents.main.sandbox]\nsetup = ["true"]\n[agents.other]\n');
    const refused = await project.run(["apply", "--yes"]);
    expect(refused).toMatchObject({
      code: 3,
      stdout: expect.stringContaining("max_runtimes = 1") as unknown,
    });
  });
});
