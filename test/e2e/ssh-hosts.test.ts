// A host whose sandboxes are folders: its canary, and what of them is stale.
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { canaryReportSchema } from "../../src/model/canary.ts";
import { hostInspectionSchema, hostReapSchema } from "../../src/model/host.ts";
import { describeWith } from "../support/services.ts";
import { startSshd } from "../support/sshd.ts";
import { Project } from "./cli.ts";

describeWith(["ssh"], "a host over ssh", () => {
  test("is proved by a canary, shows its sandboxes, and is rid of an orphan by reap", async () => {
    await using sshd = await startSshd();
    await using project = await Project.open();
    const root = `${project.folder}/sandboxes`;
    await project.config(`[sandbox]
backend = "ssh"
host = "build1"
[sandbox.ssh]
workspace_root = "${root}"
[agents.main]
[agents.gone]
[hosts.build1]
${sshd.line}
`);
    const report = canaryReportSchema.parse(JSON.parse(await project.ok("canary", "--json")));
    expect(report).toMatchObject({
      verdict: "passed",
      host: "build1",
      backend: "ssh",
      before: { via: "ssh" },
    });

    const here = await project.run(["canary", "--host", "local"]);
    expect([here.code, here.stderr + here.stdout]).toEqual([
      78,
      expect.stringContaining('the ssh backend has nothing to do on "local"'),
    ]);

    // Other sandboxes of this account come and go meanwhile, so that only what is there at all is certain.
    expect(report.provision_delta).not.toBeNull();
    expect(report.destroy_delta).not.toBeNull();

    await project.ok("apply", "--yes");
    const seen = async () => {
      const text = await project.ok("host", "inspect", "build1", "--json");
      const { snapshot } = hostInspectionSchema.parse(JSON.parse(text));
      return snapshot.directories
        .filter(({ parent }) => parent.startsWith(root))
        .map(({ kind, manifest, labels }) => `${kind} ${manifest} ${labels["sandkeep.address"] ?? "-"}`)
        .toSorted();
    };
    expect(await seen()).toEqual(["runtime whole agent/gone", "runtime whole agent/main"]);
    await project.edit("[agents.gone]\n", "");
    const text = (await project.run(["host", "reap", "build1", "--apply", "--json"])).stdout;
    const mine = hostReapSchema
      .parse(JSON.parse(text))
      .entries.filter(({ fleet }) => fleet === project.fleet);
    expect(mine).toMatchObject([{ address: "agent/gone", code: "orphan", status: "removed" }]);
    expect(await seen()).toEqual(["runtime whole agent/main"]);
    await project.ok("destroy", "--all", "--yes");
  });

  test("loses, doubles and half makes nothing when two controllers apply at once", async () => {
    await using sshd = await startSshd();
    await using project = await Project.open();
    const root = `${project.folder}/sandboxes`;
    const agents = ["a", "b", "c", "d"];
    await project.config(`[sandbox]
backend = "ssh"
host = "build1"
setup = ["true"]
[sandbox.ssh]
workspace_root = "${root}"
${agents.map((name) => `[agents.${name}]`).join("\n")}
[hosts.build1]
${sshd.line}
`);
    const states = [project.state, `${project.folder}/elsewhere`];
    const each = async (...argv: readonly string[]) =>
      await Promise.all(
        states.map(async (state) => await project.run(argv, { env: { SANDKEEP_STATE_DIR: state } })),
      );
    const proceed = async (): Promise<void> => {
      const ran = await each("apply", "--yes");
      // Whoever comes second tells that somebody was there first, and fails at nothing.
      for (const { code, stdout, stderr } of ran)
        expect([code, stdout + stderr]).toEqual([expect.toBeOneOf([0, 4]), expect.anything()]);
      const plans = await each("plan", "--detailed-exitcode");
      expect(plans.map(({ code, stdout }) => [code, stdout])).toEqual(
        plans.map(() => [0, expect.stringContaining("4 up to date")]),
      );
      expect((await readdir(`${root}/${project.fleet}/objects`)).toSorted()).toHaveLength(agents.length);
      const names = await readdir(`${root}/${project.fleet}/names`);
      expect(names.map((name) => /-agent-(.*)-[0-9a-f]+$/.exec(name)?.[1] ?? name).toSorted()).toEqual(
        agents,
      );
    };
    await proceed();
    await project.edit('setup = ["true"]', 'setup = ["true", "true"]');
    await proceed();
    await project.ok("destroy", "--all", "--yes");
    expect(await readdir(`${root}/${project.fleet}/objects`)).toEqual([]);
  });

  test("leaves no key and nothing else behind when a command has ended", async () => {
    await using sshd = await startSshd();
    // Short, so that it is where the control socket lies too.
    const temporary = await mkdtemp("/tmp/sk-");
    try {
      const key = await readFile(sshd.keyFile, "utf8");
      await using project = await Project.open({ env: { TMPDIR: temporary, BUILD_KEY: key } });
      const known = `[127.0.0.1]:${String(sshd.port)} ${sshd.hostKey}`;
      await project.config(`[sandbox]
backend = "ssh"
host = "build1"
[sandbox.ssh]
workspace_root = "${project.folder}/sandboxes"
[agents.main]
[hosts.build1]
ssh = { target = "${sshd.user}@127.0.0.1:${String(sshd.port)}", identity = { env = "BUILD_KEY" }, known_hosts = "${known}", transport = "openssh" }
`);
      await project.ok("apply", "--yes");
      expect(await readdir(temporary)).toEqual([]);
      expect(await project.ok("run", "--", "echo", "in")).toContain("in\n");
      expect((await project.run(["run", "--", "sh", "-c", "exit 37"])).code).toBe(37);
      await project.ok("destroy", "--all", "--yes");
      expect(await readdir(temporary)).toEqual([]);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  });
});
