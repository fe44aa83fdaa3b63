import { join } from "node:path";
import { expect, test } from "vitest";
import { listingSchema } from "../../src/model/listing.ts";
import { runManifestSchema } from "../../src/model/run-manifest.ts";
import { describeWithServices } from "../support/services.ts";
import { Project, documentOf, eventually } from "./cli.ts";

// Runs with a sandbox of their own: made for one command, and gone with it.

const IMAGE = "sandkeep-test/busybox:1";
const CONFIG = `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
secrets = { TOKEN = { env = "TEST_TOKEN" } }
[sandbox.docker]
image = "${IMAGE}"
[agents.work]
`;

const listing = async (project: Project, ...argv: string[]) =>
  listingSchema.parse(await project.json("list", ...argv));

describeWithServices("a sandbox for one run", (services) => {
  const open = (): Promise<Project> =>
    Project.open({ docker: services().docker.host, env: { TEST_TOKEN: "s3cr3t-one-off" } });

  test("has the settings of [sandbox], gives the command's own code, is recorded, and goes", async () => {
    await using project = await open();
    await project.config(CONFIG);
    await project.ok("apply", "--yes");
    const declared = await project.containers();
    const command = "echo $TOKEN; mkdir out; echo fine > out/a; echo $TOKEN > out/b; exit 7";
    const argv = ["run", "--ephemeral", "--artifact", "out/**", "--json", "--", "sh", "-c", command];
    const ran = await project.run(argv);
    expect(ran).toMatchObject({ code: 7 });
    const manifest = runManifestSchema.parse(documentOf(ran));
    const address = `ephemeral/${manifest.run_id}`;
    expect(manifest).toMatchObject({
      address,
      agent: "ephemeral",
      backend: "docker",
      sandboxed: true,
      status: "failed",
      image: { ref: IMAGE },
      plan_id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      ephemeral: { image: null, backend: null, keep: false },
      env: { secrets: ["TOKEN"] },
    });
    expect(await project.containers()).toEqual(declared);
    expect(await project.ok("runs", "tail", manifest.run_id)).toBe("***\n");
    expect(await project.json("runs", "artifacts", manifest.run_id)).toMatchObject({
      artifacts: [{ path: "out/a", bytes: 5 }],
      left_out: [{ path: "out/b", why: "it holds a secret" }],
    });
    const bundle = await project.json("runs", "bundle", manifest.run_id, "--verify", "--strict");
    const kept = expect.objectContaining({ path: "artifacts/out/a", bytes: 5, file_count: 1 });
    expect(bundle).toMatchObject({ verification: { ok: true } });
    expect(bundle["artifact_metadata"]).toContainEqual(kept);
    // Again in a new one, and nothing is different.
    const again = await project.run(["runs", "rerun", manifest.run_id, "--json"]);
    expect(again.code).toBe(7);
    expect(documentOf(again)).toMatchObject({ differences: [], run: { ephemeral: { keep: false } } });
    expect(await project.containers()).toEqual(declared);
  });

  test("is refused what a declared one is refused", async () => {
    await using project = await open();
    await project.config(CONFIG.replace("[agents.work]", 'network = "host"\n[agents.work]'));
    const declared = documentOf(await project.run(["validate", "--json"]));
    const ran = await project.run(["run", "--ephemeral", "--json", "--", "true"]);
    expect(ran.code).toBe(78);
    expect(declared).toMatchObject({ ok: false });
    expect(documentOf(ran)).toMatchObject({ diagnostics: declared["diagnostics"] });
    expect(await project.containers()).toEqual([]);
  });

  test("whose sandkeep is killed goes with the next apply", async () => {
    await using project = await open();
    await project.config(CONFIG);
    await project.ok("apply", "--yes");
    const declared = await project.containers();
    const running = project.start(["run", "--ephemeral", "--", "sleep", "300"]);
    const [row] = await eventually("the run", async () => {
      const rows = (await listing(project)).runtimes.filter((each) => each.role === "ephemeral" && each.busy);
      return rows.some(({ status, name }) => status === "running" && !name.endsWith(".new"))
        ? rows
        : undefined;
    });
    expect(row).toMatchObject({ agent: "ephemeral", expires_at: expect.any(String) });
    // Nobody takes it away from under its run.
    await project.ok("apply", "--yes");
    await project.ok("prune", "--orphans", "--yes");
    expect(await project.containers()).toContain(row?.name);
    running.child.kill("SIGKILL");
    await running.ended;
    await project.ok("apply", "--yes");
    expect(await project.containers()).toEqual(declared);
    const [run] = JSON.parse(await project.ok("runs", "list", "--json")).runs;
    expect(run).toMatchObject({ status: "interrupted", address: row?.address });
  });

  test("is kept on request, entered, and destroyed without a config", async () => {
    await using project = await open();
    await project.config(CONFIG);
    const kept = await project.run(["run", "--ephemeral", "--keep", "--", "touch", "/tmp/mine"]);
    expect(kept.code).toBe(0);
    const address = /ephemeral\/[0-9a-f-]+/.exec(kept.stderr)?.[0] ?? "";
    expect(kept.stderr).toContain(`sandkeep run --in ${address} -- CMD`);
    await project.ok("run", "--in", address, "--", "test", "-e", "/tmp/mine");
    expect(await listing(project)).toMatchObject({ orphans: [] });
    const plan = await project.plan();
    expect(plan.orphans).toEqual([]);
    expect(plan.changes.filter((each) => each.actions.includes("remove"))).toEqual([]);
    await project.ok("destroy", "--fleet", project.fleet, "--all", "--yes");
    expect(await project.containers()).toEqual([]);
    const gone = await project.run(["run", "--in", address, "--", "true"]);
    expect(gone).toMatchObject({ code: 64, stderr: expect.stringContaining("there is no sandbox") });
  });
});

test("works without any config, and is found again by its fleet", async () => {
  await using project = await Project.open();
  const ran = await project.run(["run", "--ephemeral", "--", "sh", "-c", "echo hello; exit 3"]);
  expect(ran).toMatchObject({
    code: 3,
    stdout: "hello\n",
    stderr: expect.stringContaining("--fleet ephemeral"),
  });
  const { runs } = JSON.parse(await project.ok("runs", "list", "--fleet", "ephemeral", "--json"));
  expect(runs).toMatchObject([{ status: "failed", exit_code: 3, backend: "local" }]);
  const detached = await project.ok("run", "--ephemeral", "--detach", "--", "true");
  const log = join(project.state, "fleets", "ephemeral", "runs", detached.trim());
  expect(detached).toMatch(/^[0-9a-f-]+\n$/);
  await eventually("the end of the detached run", async () => {
    const told = await project.run(["runs", "inspect", log, "--fleet", "ephemeral", "--json"]);
    return JSON.parse(told.stdout).run.status === "ok" ? true : undefined;
  });
  const tool = await project.file("own-tool", "#!/bin/sh\necho first; exit 4\n");
  const first = await project.run(["run", "--ephemeral", "--bin", tool, "--", "own-tool"]);
  expect(first).toMatchObject({ code: 4, stdout: "first\n" });
  await project.file("own-tool", "#!/bin/sh\necho second\n");
  const again = ["--latest-failed", "--rerun", "--bin", tool, "--bundle", "--bundle-strict-verify"];
  const triaged = await project.json("runs", "triage", "--fleet", "ephemeral", "--tail", "5", ...again);
  expect(triaged).toMatchObject({
    diagnosis: { exit_class: "error" },
    lines: [{ text: "first" }],
    rerun: { differences: [{ field: "bin" }], run: { status: "ok", exit_code: 0 } },
    bundle: { verification: { ok: true } },
  });
  const refused = await project.run(["run", "--ephemeral", "--image", "x", "--", "true"]);
  expect(refused).toMatchObject({ code: 64, stderr: expect.stringContaining("has no images") });
});
