import { expect, test } from "vitest";
import { postureSchema } from "../../src/model/posture.ts";
import { describeWithServices } from "../support/services.ts";
import { Project } from "./cli.ts";

const CONFIG =
  '[sandbox]\nbackend = "docker"\n[sandbox.docker]\nimage = "sandkeep-test/busybox:1"\n[agents.main]';

async function statusOf(project: Project, ...argv: readonly string[]) {
  const { code, stdout } = await project.run(["status", "--json", ...argv]);
  return { code, ...postureSchema.parse(JSON.parse(stdout)) };
}

describeWithServices("status on a real engine", (services) => {
  test("ready, from here and from the engine's own mouth; nothing is made for it", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await project.config(
      `${CONFIG}\n[hosts.spare]\ndocker = "${services().docker.host}"\n[hosts.gone]\ndocker = "unix:///nowhere.sock"`,
    );
    expect(await statusOf(project)).toMatchObject({ code: 0, status: "ready", engines: [{ probed: false }] });
    expect(await statusOf(project, "--probe")).toMatchObject({
      code: 0,
      engines: [{ probed: true, reasons: [] }],
      unused_hosts: [
        { host: "gone", status: "unavailable" },
        { host: "spare", backend: "docker", status: "ready", probed: true },
      ],
    });
    const text = await project.ok("posture", "--probe");
    expect(text).toMatch(/docker {2}ready {2}\(asked\)/);
    expect(text).toMatch(/used by no agent:\n {2}docker on gone {2}unavailable/);
    expect(await project.containers()).toEqual([]);
  });
});

test("an engine that is not there: exit 69 with the reason and the way out", async () => {
  await using project = await Project.open();
  await project.config(CONFIG);
  expect(await statusOf(project)).toMatchObject({
    code: 69,
    status: "unavailable",
    engines: [{ reasons: [{ code: "socket-missing" }] }],
  });
  const { stdout } = await project.run(["status"]);
  expect(stdout).toContain("fix: start the engine");
});
