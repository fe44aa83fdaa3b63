import { access } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeWithServices } from "../support/services.ts";
import { Watching } from "../support/watching.ts";
import { MAIN, Project, actionsOf, changeOf, eventually, reasonsOf } from "./cli.ts";

// How containers end on a real engine: with the patience the config has by then, and what their engine starts again.

const head = (more: string): string => `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
[sandbox.workspace]
access = "rw"
[sandbox.docker]
image = "sandkeep-test/busybox:1"
${more}
[agents.work]`;

/** A program that lives on until it finds the file "die" in the workspace; after "once" it lives again. */
const MORTAL = `command = ["sh", "-c", "while :; do rm once 2>&- && exit 7; test -e die && exit 7; sleep 0.1; done"]`;

const state = (project: Project, id: string, what: string): Promise<string> =>
  project.docker("inspect", "--format", `{{.${what}}}`, id);

async function only(project: Project): Promise<string> {
  const [row] = await project.list();
  return row?.object_id ?? "";
}

describeWithServices("how containers end", (services) => {
  const open = (): Promise<Project> => Project.open({ docker: services().docker.host });

  test.concurrent(
    "a stop waits as long as the config says by then, though the container was made with less",
    async ({ expect: check }) => {
      await using project = await open();
      const slow = `command = ["sh", "-c", "trap 'sleep 3; echo kept > flushed; exit 0' TERM; while :; do sleep 0.1; done"]`;
      await project.config(head(`stop_timeout = "1s"\n${slow}`));
      await project.ok("apply", "--yes");
      await project.edit(`stop_timeout = "1s"`, `stop_timeout = "30s"`);
      check(actionsOf(await project.plan())).toEqual({});
      await project.ok("destroy", "--all", "--yes");
      await access(join(project.root, "flushed"));
    },
  );

  test.concurrent("what ended by itself is told with its exit code", async ({ expect: check }) => {
    await using project = await open();
    await project.config(head(MORTAL));
    await project.ok("apply", "--yes");
    await project.file("die", "");
    const plan = await eventually("a start", async () => {
      const made = await project.plan();
      return actionsOf(made)["agent/work"] === undefined ? undefined : made;
    });
    check(changeOf(plan, "agent/work")).toMatchObject({
      actions: ["start"],
      why: "it should run and ended with exit code 7",
    });
  });
});

describeWithServices("what its engine starts again", (services) => {
  test("is left to it after an end or two, and parked when it does nothing but end", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await project.config(head(`restart = "always"\n${MORTAL}`));
    await using watch = new Watching({ main: MAIN, cwd: project.root, env: project.env });
    await watch.event("the first cycle", ({ type }) => type === "watch.cycle");
    const id = await eventually("a container", () => only(project));
    const settled = watch.events.length;

    await project.file("once", "");
    await eventually("another start", async () =>
      (await state(project, id, "RestartCount")) === "1" &&
      (await state(project, id, "State.Status")) === "running"
        ? true
        : undefined,
    );
    expect(await only(project)).toBe(id);
    expect(actionsOf(await project.plan())).toEqual({});
    expect(watch.events.slice(settled).filter(({ type }) => type === "change.finished")).toEqual([]);

    await project.file("die", "");
    const parked = await watch.event("watch.stalled", ({ type }) => type === "watch.stalled", settled);
    expect(parked).toMatchObject({ address: "agent/work" });
    const plan = await eventually("its crash loop", async () => {
      const made = await project.plan();
      return actionsOf(made)["agent/work"] === undefined ? undefined : made;
    });
    expect(changeOf(plan, "agent/work")).toMatchObject({ actions: ["recreate"], origin: "unhealthy" });
    expect(reasonsOf(plan, "agent/work")).toMatchObject({ state: ["restarting", "running"] });
  }, 300_000);
});
