// Engines of other machines from the built CLI: one behind SSH, by the keys of its host's table, and one behind TCP with TLS.
import { randomBytes } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { expect, test } from "vitest";
import { builtInDrivers } from "../../src/drivers/registry.ts";
import { reap } from "../../src/hosts/reap.ts";
import { findStale } from "../../src/hosts/survey.ts";
import { canaryReportSchema } from "../../src/model/canary.ts";
import { hostInspectionSchema, hostReapSchema } from "../../src/model/host.ts";
import { listingSchema } from "../../src/model/listing.ts";
import { loadFleet } from "../../src/policy/fleet.ts";
import type { Engine } from "../../src/reconcile.ts";
import { realWait } from "../../src/util/wait.ts";
import { makeCertificates } from "../support/certificates.ts";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { startSshd } from "../support/sshd.ts";
import { Project } from "./cli.ts";

describeWith(["docker", "ssh"], "engines of other machines", (services) => {
  const behindSsh = (sshd: Sshd): string => `[hosts.build1]
docker = "unix://${services().docker.socket}"
compose = "docker compose"
${sshd.line}
`;
  const sandbox = `[sandbox]
backend = "docker"
host = "build1"
env = { WORD = "one" }
[sandbox.workspace]
access = "rw"
[sandbox.salvage]
when = "always"
[sandbox.docker]
image = "sandkeep-test/busybox:1"
[agents.main]
`;
  const open = () => Project.open({ docker: services().docker.host });
  const inside = async (project: Project, script: string): Promise<string> =>
    (await project.ok("run", "--", "sh", "-c", script)).trim();

  test("a workspace on a host's engine is seeded once and stays through apply, drift, age and idle; recreate and destroy say so, ask and salvage", async () => {
    await using sshd = await startSshd();
    await using project = await open();
    await project.config(sandbox + behindSsh(sshd));
    await project.file("seed.txt", "from here");
    await project.ok("apply", "--yes");
    expect(await inside(project, "cat seed.txt; echo there >mine.txt")).toBe("from here");
    const volumes = async (): Promise<string> =>
      project.docker("volume", "ls", "-q", "--filter", `label=sandkeep.fleet=${project.fleet}`);
    const before = await volumes();
    expect(before).not.toBe("");

    await project.file("seed.txt", "changed here");
    await project.edit('WORD = "one"', 'WORD = "two"');
    await project.ok("apply", "--yes");
    expect(await inside(project, 'echo "$WORD"; cat seed.txt mine.txt')).toBe("two\nfrom herethere");
    const [container = ""] = await project.containers();
    await project.docker("stop", "-t", "0", container);
    await project.ok("apply", "--yes");
    await project.ok("prune", "--idle", "1ms", "--yes");
    expect(await project.containers()).toEqual([]);
    expect(await inside(project, "cat mine.txt")).toBe("there");
    await project.ok("prune", "--older-than", "1ms", "--yes");
    expect(await inside(project, "cat mine.txt")).toBe("there");
    expect(await volumes()).toContain(before.split("\n")[0]);

    const refused = await project.run(["recreate", "agent/main"]);
    expect(refused).toMatchObject({ code: 3 });
    expect(`${refused.stdout}${refused.stderr}`).toMatch(/workspace/i);
    expect(await inside(project, "cat mine.txt")).toBe("there");
    await project.ok("recreate", "agent/main", "--yes");
    expect(await inside(project, "ls; cat seed.txt")).toMatch(/seed\.txt\nchanged here$/);
    expect(await inside(project, "ls")).not.toContain("mine.txt");
    expect(await project.ok("salvage", "list")).toContain("agent/main");

    expect(await project.run(["destroy", "agent/main"])).toMatchObject({ code: 3 });
    await project.ok("destroy", "--all", "--yes");
    expect(await volumes()).toBe("");
  });

  test("a canary is made there, and what adopt rules name goes by reap: only what was listed, and it is recorded", async () => {
    await using sshd = await startSshd();
    await using project = await open();
    const tag = project.fleet;
    await project.config(
      `${sandbox}${behindSsh(sshd)}[hosts.build1.adopt]\ncontainers = ["${tag}-sbx*"]\nlabels = { "${tag}.sandbox" = "*" }\n`,
    );
    const report = canaryReportSchema.parse(
      JSON.parse(await project.ok("canary", "--host", "build1", "--json")),
    );
    expect(report).toMatchObject({
      verdict: "passed",
      host: "build1",
      backend: "docker",
      before: { via: "ssh" },
    });

    const label = ["--label", `sandkeep.fleet-of-test=${tag}`];
    const start = (name: string, ...flags: string[]): Promise<string> =>
      project.docker(
        "run",
        "-d",
        "--name",
        `${tag}-${name}`,
        ...label,
        ...flags,
        services().docker.images.busybox,
        "sleep",
        "600",
      );
    const made = [
      await start("sbx1"),
      await start("named", "--label", `${tag}.sandbox=1`),
      await start("web", "--label", `com.docker.compose.project=${tag}`),
    ];
    try {
      const reaped = hostReapSchema.parse(
        JSON.parse(await project.ok("host", "reap", "build1", "--older-than", "0", "--apply", "--json")),
      );
      const mine = reaped.entries.filter(({ what, status }) => what.startsWith(tag) && status === "removed");
      expect(mine.map(({ what }) => what).toSorted()).toEqual([`${tag}-named`, `${tag}-sbx1`]);
      const left = await project.docker("ps", "-a", "--format", "{{.Names}}", "--filter", `name=${tag}-`);
      expect(left).toBe(`${tag}-web`);
      const journal = join(project.state, "fleets", tag, "journal");
      expect(await journalText(journal)).toContain(`reap:build1:${tag}-sbx1`);
    } finally {
      for (const id of made) await project.docker("rm", "-f", id).catch(() => undefined);
    }
  });

  test("an engine behind TLS is looked at through its API alone, which says what it cannot know; Compose projects are inventory", async () => {
    await using project = await open();
    const tag = project.fleet;
    await makeCertificates(project.folder);
    const file = (name: string): string => join(project.folder, name);
    const pem = async (name: string): Promise<Buffer> => readFile(file(name));
    const material = { ca: await pem("ca.pem"), cert: await pem("cert.pem"), key: await pem("key.pem") };
    const relay = createServer({ ...material, requestCert: true, allowHalfOpen: true }, (socket) => {
      const upstream = connect({ path: services().docker.socket, allowHalfOpen: true });
      for (const each of [socket, upstream]) each.on("error", () => each.destroy());
      socket.pipe(upstream).pipe(socket);
    });
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
    const address = relay.address();
    const port = address === null || typeof address === "string" ? 0 : address.port;
    await project.config(`[sandbox]
backend = "docker"
host = "far"
[sandbox.docker]
image = "sandkeep-test/busybox:1"
[agents.main]
[hosts.far]
docker = "tcp://127.0.0.1:${String(port)}"
compose = "docker compose"
[hosts.far.tls]
ca = "${file("ca.pem")}"
cert = "${file("cert.pem")}"
key = "${file("key.pem")}"
server_name = "engine.test"
[hosts.far.adopt]
containers = ["${tag}-sbx"]
[hosts.away]
docker = "tcp://127.0.0.1:1"
compose = "docker compose"
`);
    const image = services().docker.images.busybox;
    const made = [
      await project.docker("create", "--name", `${tag}-sbx`, image),
      await project.docker(
        "create",
        "--name",
        `${tag}-web`,
        "--label",
        `com.docker.compose.project=${tag}`,
        image,
      ),
    ];
    try {
      await project.ok("apply", "--yes");
      expect((await project.ok("run", "--", "echo", "in")).trim()).toBe("in");
      expect(await project.ok("plan", "--detailed-exitcode")).toContain("1 up to date");
      expect((await project.list()).map(({ status }) => status)).toEqual(["running"]);
      const text = await project.ok("host", "inspect", "far");
      expect(text).toMatch(/load, free memory, disk headroom/);
      expect(text).toMatch(/images \d/);
      const { snapshot } = hostInspectionSchema.parse(
        JSON.parse(await project.ok("host", "inspect", "far", "--json")),
      );
      expect(snapshot).toMatchObject({ via: "engine", load: null, memory: null, disks: [], processes: null });
      expect(snapshot.engines).toMatchObject([{ engine: "docker", status: "ready" }]);
      expect(snapshot.engines[0]?.disk_use?.images).toBeGreaterThan(0);
      expect(snapshot.compose_projects.map(({ project: name }) => name)).toContain(tag);
      expect(await project.run(["host", "inspect", "away"])).toMatchObject({ code: 69 });

      const listed = await project.run(["list", "--all", "--json"]);
      const { foreign, unobserved } = listingSchema.parse(JSON.parse(listed.stdout));
      expect(listed.code).toBe(0);
      expect(foreign).toContainEqual(
        expect.objectContaining({
          host: "far",
          name: tag,
          why: "a Compose project: 0 of 1 containers running",
        }),
      );
      expect(unobserved).toMatchObject([{ backend: "docker", host: "away" }]);

      // Between the listing and the removal it became another than the one that was listed.
      const engine = libraryEngine(project);
      const config = await loadFleet(engine);
      if (config.status === "invalid") throw new Error(JSON.stringify(config.diagnostics));
      const judged = await findStale(engine, config, { name: "far", older_than: 0 });
      await project.docker("start", `${tag}-sbx`);
      await project.docker("wait", `${tag}-sbx`);
      const late = (await reap(engine, config, judged, { dryRun: false })).entries;
      expect(late.find(({ what }) => what === `${tag}-sbx`)).toMatchObject({ status: "changed" });
      expect(await project.docker("inspect", "--format", "{{.Name}}", `${tag}-sbx`)).toBe(`/${tag}-sbx`);

      const reaped = hostReapSchema.parse(
        JSON.parse(await project.ok("host", "reap", "far", "--older-than", "0", "--apply", "--json")),
      );
      const gone = reaped.entries.filter(({ what, status }) => what.startsWith(tag) && status === "removed");
      expect(gone.map(({ what }) => what)).toEqual([`${tag}-sbx`]);
      await project.ok("destroy", "--all", "--yes");
    } finally {
      for (const id of made) await project.docker("rm", "-f", id).catch(() => undefined);
      relay.close();
    }
  });
});

function libraryEngine(project: Project): Engine {
  return {
    drivers: builtInDrivers,
    stateDir: project.state,
    cwd: project.root,
    env: project.env,
    now: Date.now,
    wait: realWait,
    randomId: () => randomBytes(8).toString("hex"),
    sink: { notify: () => undefined },
    toolVersion: "0.0.0",
  };
}

async function journalText(folder: string): Promise<string> {
  const texts = (await readdir(folder)).map(async (name) => readFile(join(folder, name), "utf8"));
  return (await Promise.all(texts)).join("");
}
