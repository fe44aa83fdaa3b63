import { expect, test } from "vitest";
import { PrivateEngine } from "../faults/engine/private-engine.ts";
import { describeWithServices } from "../support/services.ts";
import { Watching } from "../support/watching.ts";
import { MAIN, Project, actionsOf, eventually } from "./cli.ts";
import { moodyImage } from "./moody-image.ts";

// Watch against a real engine: what dies comes back, what keeps dying is parked, and an engine that is away is waited for.

const head = (more = ""): string => `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
[sandbox.docker]
image = "sandkeep-test/busybox:1"
stop_timeout = "1s"
${more}`;

function watching(project: Project): Watching {
  return new Watching({ main: MAIN, cwd: project.root, env: project.env });
}

/** Address → container id and state; nothing while one is missing or not running. */
async function running(project: Project, count: number): Promise<Record<string, string> | undefined> {
  const rows = await project.list();
  if (rows.length !== count || rows.some(({ status }) => status !== "running")) return undefined;
  return Object.fromEntries(rows.map(({ address, object_id }) => [address, object_id ?? ""]));
}

const startedAt = (project: Project, id: string): Promise<string> =>
  project.docker("inspect", "--format", "{{.State.StartedAt}}", id);

/** Lets every start be seen to its end, and only then ends what was started: however slow it is, it was well before it died. */
async function killEveryStart(
  project: Project,
  watch: Watching,
  address: string,
  starts: number,
): Promise<void> {
  let since = 0;
  for (let start = 1; start <= starts; start += 1) {
    await watch.event(
      `start ${start}`,
      (event) => event.type === "change.finished" && event.address === address && event.status === "done",
      since,
    );
    since = watch.events.length;
    const id = (await project.list()).find((each) => each.address === address)?.object_id;
    await project.docker("kill", id ?? "");
  }
}

describeWithServices("watch on a real engine", (services) => {
  test("brings back what is killed and what is removed", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await project.config(`${head()}[agents.a]\n[agents.b]`);
    await using watch = watching(project);
    await watch.event("the first cycle", ({ type }) => type === "watch.cycle");
    const before = await eventually("two containers", () => running(project, 2));
    await project.docker("kill", before["agent/a"] ?? "");
    await eventually("the killed one", async () => {
      const now = await running(project, 2);
      return now?.["agent/a"] === before["agent/a"] ? now : undefined;
    });
    await project.docker("rm", "-f", before["agent/b"] ?? "");
    const after = await eventually("the removed one", () => running(project, 2));
    expect(after).toMatchObject({ "agent/a": before["agent/a"] });
    expect(after["agent/b"]).not.toBe(before["agent/b"]);
  });

  test("replaces at once what was cut off its network", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await project.config(`${head()}network = "bridge"\n[agents.a]`);
    await using watch = watching(project);
    await watch.event("the first cycle", ({ type }) => type === "watch.cycle");
    const before = await eventually("a container", () => running(project, 1));
    const first = watch.events.length;
    await project.docker("network", "disconnect", "bridge", before["agent/a"] ?? "");
    await watch.event(
      "another container",
      (event) => event.type === "change.finished" && event.address === "agent/a" && event.status === "done",
      first,
    );
    const after = await eventually("another container", () => running(project, 1));
    expect(after["agent/a"]).not.toBe(before["agent/a"]);
    await eventually("nothing left to do", async () =>
      Object.keys(actionsOf(await project.plan())).length === 0 ? true : undefined,
    );
  });

  test("parks what keeps dying as stalled, says so everywhere, and leaves the others be", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    const dying = `[agents.loop.sandbox.docker]\ncommand = ["sleep", "86399"]\n`;
    await project.config(`${head()}[agents.well]\n[agents.loop]\n${dying}`);
    await using watch = watching(project);
    await killEveryStart(project, watch, "agent/loop", 4);
    const stalled = await watch.event("watch.stalled", ({ type }) => type === "watch.stalled");
    expect(stalled).toMatchObject({
      address: "agent/loop",
      why: expect.stringContaining("started more than 3 times"),
    });
    const row = await eventually("the stalled row", async () => {
      const rows = await project.list();
      return rows.find(({ address, status }) => address === "agent/loop" && status === "stopped");
    });
    expect(row).toMatchObject({ watch: "stalled", config: "drift" });
    const told = await project.ok("explain", "agent/loop");
    expect(told.replaceAll(/\s+/g, " ")).toContain(
      "watch leaves it alone, Stalled: started more than 3 times within 10 minutes; left alone until its settings change; the last time: it should run and ended with exit code 137",
    );
    const id = row.object_id ?? "";
    const last = await startedAt(project, id);
    const well = (await project.list()).find(({ address }) => address === "agent/well");
    // A new look at everything does not start it again.
    const seen = watch.events.length;
    await project.edit("[agents.well]", "[agents.well]\n[agents.third]");
    await watch.event("another cycle", ({ type }) => type === "watch.cycle", seen);
    expect(await startedAt(project, id)).toBe(last);
    expect((await project.list()).find(({ address }) => address === "agent/well")).toMatchObject({
      object_id: well?.object_id ?? "",
      status: "running",
    });
    // Other settings are a new beginning.
    await project.edit(`command = ["sleep", "86399"]`, `command = ["sleep", "86400"]`);
    await eventually("all three", () => running(project, 3));
    expect((await project.list()).map((each) => each.watch)).toEqual([null, null, null]);
    expect(actionsOf(await project.plan())).toEqual({});
  }, 300_000);

  test("tries again what was rolled back, each time after its back-off, and then parks it with the reason", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await using image = await moodyImage(project);
    const good = "sandkeep-test/busybox:1";
    // A `ready` would take the place of the image's own check.
    await project.config(
      `[sandbox]\nbackend = "docker"\ndocker = { image = "${good}", stop_timeout = "1s" }\n[agents.a]`,
    );
    await using watch = watching(project);
    await watch.event("the first cycle", ({ type }) => type === "watch.cycle");
    const before = await eventually("a container", () => running(project, 1));
    const names = await project.containers();
    const first = watch.events.length;
    await project.edit(good, image.ref);
    const why = "UNHEALTHY: its health check fails";
    const stalled = await watch.event("watch.stalled", ({ type }) => type === "watch.stalled", first);
    const parked = `started more than 3 times within 10 minutes; left alone until its settings change; the last time: ${why}`;
    expect(stalled).toMatchObject({ address: "agent/a", why: parked });

    const seen = watch.events.slice(first);
    const changed = seen.filter((event) => event.type === "change.finished");
    expect(changed.map(({ status }) => status)).toEqual(Array.from({ length: 4 }, () => "rolled_back"));
    const waits = seen.filter((event) => event.type === "watch.backoff");
    expect(waits).toMatchObject([1, 2, 3].map((attempt) => ({ address: "agent/a", attempt, why })));
    const tries = seen.filter((event) => event.type === "step.started" && event.op === "create");
    expect(tries).toHaveLength(4);
    for (const [index, { at, attempt, retry_in_ms }] of waits.entries()) {
      // Each may wait up to twice as long as the one before. What the rollback itself stirs up on the engine is no reason to hurry.
      expect(retry_in_ms).toBeLessThanOrEqual(1000 * 2 ** (attempt - 1));
      const waited = Date.parse(tries[index + 1]?.at ?? "") - Date.parse(at);
      expect(waited).toBeGreaterThanOrEqual(retry_in_ms - 10);
    }

    expect(await project.containers()).toEqual(names);
    const old = { object_id: before["agent/a"], status: "running" };
    expect(await project.list()).toMatchObject([{ ...old, watch: "stalled", config: "drift" }]);
    expect((await project.ok("explain", "agent/a")).replaceAll(/\s+/g, " ")).toContain(
      `watch leaves it alone, Stalled: ${parked}`,
    );
  }, 120_000);

  test("waits for an engine that is away, changes nothing, and looks at everything when it is back", async () => {
    await using engine = await PrivateEngine.open();
    await using project = await Project.open({ docker: `unix://${engine.socket}` });
    await project.config(`${head()}[agents.a]\n[agents.b]`);
    await using watch = watching(project);
    await watch.event("the first cycle", ({ type }) => type === "watch.cycle");
    const before = await eventually("two containers", () => running(project, 2));

    const gone = watch.events.length;
    await engine.down("SIGKILL");
    await watch.note("EVENTS_LOST", gone);
    await project.edit("[agents.b]", "[agents.b]\n# looked at again");
    await watch.note("ENGINE_UNOBSERVED", gone);
    const listed = await project.run(["list", "--json"]);
    expect(listed.code).toBe(69);
    expect((await project.list()).map(({ status }) => status)).toEqual(["unreachable", "unreachable"]);
    const plan = await project.plan();
    expect(plan).toMatchObject({ complete: false, exit_code: 69 });
    expect(actionsOf(plan)).toEqual({});
    expect((await project.run(["explain", "agent/a"])).stdout).toContain("cannot be observed");
    // 75 while watch itself holds the lease for a look.
    expect([69, 75]).toContain((await project.run(["apply", "--yes"])).code);

    // What ran died with the daemon, and nobody told of it: only a full look finds it.
    await engine.up();
    await watch.note("ENGINE_OBSERVED", gone);
    expect(await eventually("the same containers", () => running(project, 2))).toEqual(before);
    // The stream is followed again.
    await project.docker("kill", before["agent/b"] ?? "");
    expect(await eventually("the killed one", () => running(project, 2))).toEqual(before);
  });
});
