import { chmod, chown, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../support/services.ts";
import { Project, outcomesOf } from "./cli.ts";

// A fleet on the Podman of an ordinary user, who is root in its containers and nobody else's equal outside.

const config = (more: string): string => `
[sandbox]
backend = "podman"
ready = { command = ["true"], interval = "50ms" }
[sandbox.workspace]
access = "rw"
[sandbox.podman]
image = "sandkeep-test/busybox:1"
${more}
[agents.work]
`;

describeWith(["rootless"], "a fleet on a rootless Podman", (services) => {
  let project: Project;
  const inside = async (script: string): Promise<string> =>
    await project.ok("run", "--agent", "work", "--", "sh", "-c", script);

  beforeAll(async () => {
    project = await Project.open({ podman: services().rootless.host });
    // The engine's user has to reach the project, which is theirs.
    await chmod(project.folder, 0o711);
    await chown(project.root, services().rootless.uid, services().rootless.uid);
  });
  afterAll(() => project[Symbol.asyncDispose]());

  test("a limit that the engine would ignore fails the apply, which says so and leaves nothing", async () => {
    await project.config(config('memory = "64MiB"'));
    const result = await project.apply();
    // There it is up to what was delegated to the user.
    if ((await project.docker("info", "--format", "{{.Host.CgroupsVersion}}")) === "v2") return;
    expect(result).toMatchObject({
      exit_code: 5,
      outcomes: [{ status: "rolled_back", error: { code: "NOT_ENFORCED" } }],
    });
    const [outcome] = result.outcomes;
    for (const word of ["podman.memory (asked 67108864", "podman.pids (asked 512", 'pids = "unlimited"'])
      expect(outcome?.error?.message).toContain(word);
    expect(await project.containers()).toEqual([]);
  });

  test("what commands write belongs to the project's owner, though they are an ordinary user inside", async () => {
    const { uid } = services().rootless;
    await project.config(config('pids = "unlimited"\n'));
    expect(outcomesOf(await project.apply())).toEqual({ "agent/work": "create done" });
    expect(await inside("id -u; echo made > made.txt; touch /etc/x 2>/dev/null || echo read-only")).toBe(
      `${uid}\nread-only\n`,
    );
    expect((await stat(join(project.root, "made.txt"))).uid).toBe(uid);
    expect(await project.apply()).toMatchObject({ calls: { write: 0 }, exit_code: 0, outcomes: [] });
  });

  test("root inside is the engine's user outside, seen from inside as promised, and can do no more", async () => {
    await project.config(
      config('pids = "unlimited"\nuser = "0"').replace("[sandbox]", "[sandbox]\nattest = true"),
    );
    expect(outcomesOf(await project.apply())).toEqual({ "agent/work": "recreate done" });
    expect(await inside("id -u; echo root > root.txt; cat root.txt")).toBe("0\nroot\n");
    expect((await stat(join(project.root, "root.txt"))).uid).toBe(services().rootless.uid);
  });

  test("destroy leaves nothing of it", async () => {
    await project.ok("destroy", "--all", "--yes");
    expect(await project.containers()).toEqual([]);
    expect((await readdir(project.root)).toSorted()).toEqual(["made.txt", "root.txt", "sandkeep.toml"]);
  });
});
