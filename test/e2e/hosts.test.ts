// Hosts from the built CLI: the canary, what its failure keeps away, what is stale, and what reap takes and leaves.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { canaryHistorySchema, canaryReportSchema } from "../../src/model/canary.ts";
import { hostInspectionSchema, hostReapSchema, hostStaleSchema } from "../../src/model/host.ts";
import { describeWithServices } from "../support/services.ts";
import { Project } from "./cli.ts";

const exec = promisify(execFile);

const CONFIG = `[sandbox]
backend = "docker"
[sandbox.docker]
image = "sandkeep-test/busybox:1"
memory = "64MiB"
[agents.main]
[hosts.other]
docker = "unix:///nonexistent/docker.sock"
`;

describeWithServices("hosts on a real engine", (services) => {
  test("a canary is made, tried from inside and removed; one that fails keeps new sandboxes away until another passes", async () => {
    await using project = await Project.open({ docker: services().docker.host });
    await project.config(CONFIG);
    const ran = await project.run(["canary", "--json"]);
    const report = canaryReportSchema.parse(JSON.parse(ran.stdout));
    expect(ran).toMatchObject({ code: 0, stderr: expect.stringContaining("Canary on docker: passed") });
    expect(report).toMatchObject({ verdict: "passed", host: "local", backend: "docker" });
    expect(report.steps.map(({ step, status }) => `${step} ${status}`)).toEqual(
      ["provision", "exec", "files", "limits", "network", "isolation", "removal"].map(
        (step) => `${step} passed`,
      ),
    );
    expect(report.before?.engines).toEqual(
      expect.arrayContaining([expect.objectContaining({ engine: "docker", status: "ready" })]),
    );
    expect(report.provision_delta).not.toBeNull();
    expect(await project.containers()).toEqual([]);

    await project.file("bad.toml", '[docker]\nimage = "sandkeep-test/nothing:1"\nimage_policy = "never"\n');
    expect(await project.run(["canary", "--profile", "bad.toml"])).toMatchObject({ code: 1 });
    expect(await project.run(["apply", "--yes"])).toMatchObject({
      code: 3,
      stdout: expect.stringContaining("nothing new is made on host local"),
    });
    expect(await project.containers()).toEqual([]);
    expect(await project.ok("canary")).toBe("");
    await project.ok("apply", "--yes");
    const history = canaryHistorySchema.parse(JSON.parse(await project.ok("canary", "history", "--json")));
    expect(history.canaries.map(({ verdict }) => verdict)).toEqual(["passed", "failed", "passed"]);
    await project.ok("destroy", "--all", "--yes");
  });

  test("an orphan and what adopt rules name are reaped, Compose projects are told, all else is left", async () => {
    const { docker } = services();
    await using project = await Project.open({ docker: docker.host });
    const tag = project.fleet;
    const engine = async (...argv: readonly string[]): Promise<string> => {
      const env = { PATH: project.env["PATH"], DOCKER_API_VERSION: "1.41" };
      return (await exec("docker", ["-H", docker.host, ...argv], { env })).stdout.trim();
    };
    const start = async (name: string, label: string): Promise<string> =>
      engine(
        "run",
        "-d",
        "--name",
        `${tag}-${name}`,
        "--label",
        label,
        docker.images.busybox,
        "sleep",
        "600",
      );
    await project.config(
      `${CONFIG}[agents.gone]\n[hosts.here]\ndocker = "${docker.host}"\n[hosts.here.adopt]\ncontainers = ["${tag}-sbx*"]\n`,
    );
    await project.ok("apply", "--yes");
    await project.edit("[agents.gone]\n", "");
    const made = [await start("sbx1", "x=1"), await start("web", `com.docker.compose.project=${tag}`)];
    try {
      const seen = hostInspectionSchema.parse(
        JSON.parse(await project.ok("host", "inspect", "here", "--json")),
      );
      expect(seen.snapshot.compose_projects).toEqual(
        expect.arrayContaining([expect.objectContaining({ project: tag, containers: 1, running: 1 })]),
      );
      const stale = hostStaleSchema.parse(
        JSON.parse((await project.run(["host", "stale", "here", "--older-than", "0", "--json"])).stdout),
      );
      const mine = stale.stale.filter(({ what }) => what.includes(tag));
      expect(mine.map(({ code, reap }) => [code, reap])).toEqual(
        expect.arrayContaining([["adopted", "container"]]),
      );
      expect(mine.some(({ what }) => what === `${tag}-web`)).toBe(false);

      expect(await project.run(["host", "reap", "here"])).toMatchObject({ code: 64 });
      const reaped = hostReapSchema.parse(
        JSON.parse(
          (await project.run(["host", "reap", "here", "--older-than", "0", "--apply", "--json"])).stdout,
        ),
      );
      const removed = reaped.entries.filter(({ status }) => status === "removed").map(({ what }) => what);
      expect(removed).toEqual([`${tag}-sbx1`]);

      const own = hostReapSchema.parse(
        JSON.parse((await project.run(["host", "reap", "local", "--apply", "--json"])).stdout),
      );
      expect(own.entries.filter(({ fleet }) => fleet === tag)).toMatchObject([
        { address: "agent/gone", code: "orphan", status: "removed" },
      ]);
      const left = await engine("ps", "-a", "--format", "{{.Names}}", "--filter", `name=${tag}`);
      expect(left.split("\n").filter((name) => name.startsWith(`${tag}-`))).toEqual([`${tag}-web`]);
      expect(left).toContain("agent-main");
      expect(left).not.toContain("agent-gone");
      await project.ok("destroy", "--all", "--yes");
    } finally {
      for (const id of made) await engine("rm", "-f", id).catch(() => undefined);
    }
  });
});
