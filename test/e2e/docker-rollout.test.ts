import { expect, test } from "vitest";
import { describeWithServices } from "../support/services.ts";
import { Project, outcomesOf } from "./cli.ts";

// A bad change to ten containers stops after the first; a good one goes through all of them.

const AGENTS = Array.from({ length: 10 }, (_, index) => `a${index}`);
const [CANARY = "", ...OTHERS] = AGENTS.map((name) => `agent/${name}`);

const config = (image: string): string => `
[sandbox]
backend = "docker"
ready = { command = ["grep", "-qvx", "exits", "/etc/sandkeep-test"], interval = "50ms" }
[sandbox.docker]
image = "${image}"
command = ["sh", "-c", "grep -qx exits /etc/sandkeep-test && exit 1; exec sleep 86400"]
${AGENTS.map((name) => `[agents.${name}]`).join("\n")}`;

const GOOD = "sandkeep-test/busybox:1";
const BETTER = "sandkeep-test/busybox:2";
/** What is in it makes the command end at once. */
const BAD = "sandkeep-test/exits:1";

/** Ends, as if it were killed for want of memory, soon after it was told to make do with less than 30 MB. */
const HUNGRY = `
limit() { cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null | head -n 1; }
while [ "$(limit)" -gt 30000000 ]; do sleep 0.1; done
exit 3`;

const withMemory = (memory: string): string => `
[sandbox]
backend = "docker"
[sandbox.docker]
image = "${GOOD}"
memory = "${memory}"
command = ["sh", "-c", '''${HUNGRY}''']
${AGENTS.map((name) => `[agents.${name}]`).join("\n")}`;

/** Address → what the engine tells of its container in this format. */
async function told(project: Project, format: string): Promise<Record<string, string>> {
  const rows = await project.list();
  const found = await Promise.all(
    rows.map(
      async ({ address, name }) =>
        [address, await project.docker("inspect", "--format", format, name)] as const,
    ),
  );
  return Object.fromEntries(found);
}

const containers = (project: Project): Promise<Record<string, string>> =>
  told(project, "{{.Id}} {{.State.StartedAt}} {{.State.Status}} {{.Image}}");
const limits = (project: Project): Promise<Record<string, string>> =>
  told(project, "{{.State.Status}} {{.HostConfig.Memory}} {{.Id}} {{.State.StartedAt}}");

function idOf(project: Project, image: string): Promise<string> {
  return project.docker("image", "inspect", "--format", "{{.Id}}", image);
}

describeWithServices("a change to ten containers", (services) => {
  test("stops after the canary when it is bad, and goes through all of them when it is good", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await project.config(config(GOOD));
    await project.ok("apply", "--yes");
    const before = await containers(project);
    expect(Object.keys(before).toSorted()).toEqual([CANARY, ...OTHERS]);

    await project.edit(GOOD, BAD);
    const plan = await project.plan();
    const places = plan.changes.map(({ address, rollout }) => [address, rollout?.wave, rollout?.waits_for]);
    expect(places).toEqual([[CANARY, 1, []], ...OTHERS.map((address) => [address, 2, [CANARY]])]);
    const text = await project.ok("plan");
    expect(text).toContain("canary: goes first");
    expect(text).toContain(`wave 2: waits for ${CANARY}, and for its success`);
    const explained = await project.ok("explain", "agent/a3");
    expect(explained.replaceAll(/\s+/g, " ")).toContain(`waits for ${CANARY}`);

    const result = await project.apply();
    expect(result.exit_code).toBe(5);
    expect(outcomesOf(result)).toEqual({
      [CANARY]: "recreate rolled_back",
      ...Object.fromEntries(OTHERS.map((address) => [address, "recreate skipped"])),
    });
    for (const { address, reason } of result.outcomes) {
      if (address !== CANARY) expect(reason).toBe(`paused: canary ${CANARY} failed`);
    }
    const after = await containers(project);
    expect({ ...after, [CANARY]: "" }).toEqual({ ...before, [CANARY]: "" });
    // The canary's old container runs on: the very same one, which was stopped for a while.
    const [id, , state, image] = after[CANARY]?.split(" ") ?? [];
    expect([id, state, image]).toEqual([before[CANARY]?.split(" ")[0], "running", await idOf(project, GOOD)]);
    expect((await project.containers()).length).toBe(10);

    await project.edit(BAD, BETTER);
    const good = await project.apply();
    expect(good.exit_code).toBe(0);
    expect(good.summary).toMatchObject({ done: 10, skipped: 0 });
    const better = await idOf(project, BETTER);
    const replaced = Object.values(await containers(project)).map((each) => each.split(" "));
    expect(replaced.map((each) => each.slice(2))).toEqual(AGENTS.map(() => ["running", better]));
    expect((await project.plan("--detailed-exitcode")).exit_code).toBe(0);
  });

  test("in place stops after the canary that ends of it, and nine run on with what they had", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await project.config(withMemory("64MiB"));
    await project.ok("apply", "--yes");
    const before = await limits(project);
    await project.edit("64MiB", "16MiB");
    expect(await project.ok("plan")).toContain("canary: goes first");
    const result = await project.apply();
    expect(result.exit_code).toBe(5);
    expect(outcomesOf(result)).toEqual({
      [CANARY]: "update failed",
      ...Object.fromEntries(OTHERS.map((address) => [address, "update skipped"])),
    });
    expect(result.outcomes[0]).toMatchObject({
      reason: "health failed; what was changed in place is not taken back",
      error: { code: "UNHEALTHY", message: "it exited with 3" },
    });
    const after = await limits(project);
    expect(after[CANARY]).toMatch(/^exited 16777216 /);
    expect({ ...after, [CANARY]: "" }).toEqual({ ...before, [CANARY]: "" });

    await project.edit("16MiB", "96MiB");
    const good = await project.apply();
    expect(good.exit_code).toBe(0);
    expect(Object.values(await limits(project)).map((each) => each.split(" ").slice(0, 2))).toEqual(
      AGENTS.map(() => ["running", String(96 * 2 ** 20)]),
    );
    expect((await project.plan("--detailed-exitcode")).exit_code).toBe(0);
  });
});
