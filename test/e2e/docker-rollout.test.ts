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

/** Address → id, start and state, as the engine tells them. */
async function containers(project: Project): Promise<Record<string, string>> {
  const rows = await project.list();
  const told = await Promise.all(
    rows.map(async ({ address, name }) => {
      const format = "{{.Id}} {{.State.StartedAt}} {{.State.Status}} {{.Image}}";
      return [address, await project.docker("inspect", "--format", format, name)] as const;
    }),
  );
  return Object.fromEntries(told);
}

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
    const told = await project.ok("plan");
    expect(told).toContain("canary: goes first");
    expect(told).toContain(`wave 2: waits for ${CANARY}, and for its success`);
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
});
