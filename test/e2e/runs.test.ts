import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listingSchema } from "../../src/model/listing.ts";
import type { RunManifest } from "../../src/model/run-manifest.ts";
import { runInspectionSchema, runListSchema } from "../../src/model/run-answers.ts";
import { runManifestSchema } from "../../src/model/run-manifest.ts";
import { triageSchema } from "../../src/model/triage.ts";
import { describeWithServices } from "../support/services.ts";
import { Project, eventually } from "./cli.ts";

// What only real processes and a real engine can prove of the ledger.

const AT_ONCE = 64;

describeWithServices("runs on a real engine", (services) => {
  let project: Project;
  beforeAll(async () => {
    project = await Project.open({ docker: services().docker.host });
    await project.config(`
      [sandbox]
      backend = "docker"
      [sandbox.docker]
      image = "sandkeep-test/busybox:1"
      [agents.main]
      [agents.small.sandbox.docker]
      memory = "16MiB"
    `);
    await project.ok("apply", "--yes");
  });
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
  });

  const manifestOf = async (id: string): Promise<RunManifest> =>
    runInspectionSchema.parse(await project.json("runs", "inspect", id)).run;

  test("a run is recorded with the runtime it ran in", async () => {
    const manifest = runManifestSchema.parse(
      await project.json("run", "--", "sh", "-c", "echo out; echo err >&2; exit 9"),
    );
    const [row] = await project.list();
    expect(manifest).toMatchObject({
      status: "failed",
      exit_code: 9,
      object_id: row?.object_id,
      backend: "docker",
      image: { ref: "sandkeep-test/busybox:1" },
      logs: { stdout: { bytes: 4 }, stderr: { bytes: 4 } },
    });
    expect(await manifestOf(manifest.run_id)).toEqual(manifest);
  });

  test("its manifest names all that made it what it was", async () => {
    const git = async (...argv: string[]): Promise<string> => {
      const identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
      return (await promisify(execFile)("git", [...identity, ...argv], { cwd: project.root })).stdout.trim();
    };
    await git("init", "--quiet");
    await git("add", "sandkeep.toml");
    await git("commit", "--quiet", "--message", "fleet");
    const commit = await git("rev-parse", "HEAD");
    const { runtimes } = listingSchema.parse(await project.json("list"));
    const row = runtimes.find((each) => each.address === "agent/main");
    const asked = [
      "run",
      "--agent",
      "main",
      "--session",
      "main",
      "--timeout",
      "5m",
      "--env",
      "B=shown-nowhere",
    ];
    const manifest = runManifestSchema.parse(
      await project.json(...asked, "--env", "A=1", "--", "sh", "-c", "kill -TERM $$"),
    );
    expect(manifest).toMatchObject({
      run_id: expect.stringMatching(/^\d{8}-\d{6}-\d{3}-[0-9a-f]{8}$/),
      source: "cli",
      status: "failed",
      agent: "main",
      session: "main",
      sandboxed: true,
      address: "agent/main",
      backend: "docker",
      object_id: row?.object_id,
      spec_hash: row?.spec_hash,
      image: { ref: "sandkeep-test/busybox:1", digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
      plan_id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      argv: ["sh", "-c", "kill -TERM $$"],
      env: { mode: "inherit", names: ["A", "B"], secrets: [] },
      tty: false,
      config: { file: expect.stringMatching(/sandkeep\.toml$/), commit, dirty: false },
      timeout_ms: 300_000,
      timed_out: false,
      cancelled: false,
      exit_code: 143,
      signal: "SIGTERM",
      exit_class: "signal",
      error: null,
      disrupted: null,
      changes_lost: false,
    });
    expect(JSON.stringify(manifest)).not.toContain("shown-nowhere");
    const lasted = Date.parse(manifest.ended_at ?? "") - Date.parse(manifest.started_at);
    expect(lasted).toBe(manifest.duration_ms);
    await project.edit("[agents.small", "# edited since\n[agents.small");
    const edited = runManifestSchema.parse(await project.json("run", "--agent", "main", "--", "true"));
    expect(edited).toMatchObject({ status: "ok", config: { commit, dirty: true } });
    const inspected = runInspectionSchema.parse(await project.json("runs", "inspect", edited.run_id));
    expect(inspected).toMatchObject({ latest_log: null, lines: [] });
  });

  test.each([
    ["the kernel kills it for want of memory", "tail /dev/zero", 137, "out-of-memory"],
    ["a child of it runs out of memory", 'sh -c "tail /dev/zero"; exit $?', 137, "out-of-memory"],
    ["somebody kills it", "kill -9 $$", 137, "signal"],
    ["there is no such program", "no-such-program", 127, "not-found"],
  ])("%s: the record and triage say so", async (_what, script, exit_code, exit_class) => {
    const argv = ["run", "--agent", "small", "--json", "--", "sh", "-c", script];
    const ran = await project.run(argv);
    expect(ran.code).toBe(exit_code);
    const { run_id } = runManifestSchema.parse(JSON.parse(ran.stdout));
    const triage = triageSchema.parse(await project.json("runs", "triage", run_id));
    expect(triage).toMatchObject({ run: { exit_code, exit_class }, diagnosis: { exit_class } });
  });

  test("what the engine refuses to run is told apart from what cannot be run", async () => {
    const ran = await project.run(["run", "--json", "--", "/etc/passwd"]);
    const manifest = runManifestSchema.parse(JSON.parse(ran.stdout));
    expect([ran.code, manifest.exit_class]).toEqual([126, "refused"]);
    const script = "printf x > /tmp/plain; /tmp/plain";
    const plain = runManifestSchema.parse(await project.json("run", "--", "sh", "-c", script));
    expect(plain).toMatchObject({ exit_code: 126, exit_class: "not-executable" });
  });

  test("a runtime that is taken away while a command runs in it is a lost backend", async () => {
    // Of its own, for the attempt before this one has left a run as well.
    const source = `lost-${randomUUID()}`;
    const running = project.start(["run", "--agent", "small", "--source", source, "--", "sleep", "600"]);
    const row = await eventually("it runs", async () =>
      (await project.list()).find(({ address, busy }) => address === "agent/small" && busy),
    );
    await project.docker("rm", "-f", row.object_id ?? "");
    expect((await running.ended).code).not.toBe(0);
    const { runs } = runListSchema.parse(await project.json("runs", "list", "--source", source));
    expect(runs).toMatchObject([{ status: "failed" }]);
    expect(["backend-lost", "signal"]).toContain(runs[0]?.exit_class);
  });

  test("a killed sandkeep leaves a run that is found interrupted, with its output", async () => {
    const script = "i=0; while [ $i -lt 2000 ]; do echo line-$i; i=$((i+1)); done; sleep 60";
    const running = project.start(["run", "--source", "killed", "--", "sh", "-c", script]);
    const [run] = await eventually("all of its output", async () => {
      const { runs } = runListSchema.parse(await project.json("runs", "list", "--source", "killed"));
      if (runs[0] === undefined) return undefined;
      const inspection = await project.json("runs", "inspect", runs[0].id, "--tail", "1");
      const { lines } = runInspectionSchema.parse(inspection);
      return lines[0]?.text === "line-1999" ? runs : undefined;
    });
    expect(run).toMatchObject({ status: "running", exit_code: null });
    running.child.kill("SIGKILL");
    await running.ended;
    const after = runListSchema.parse(await project.json("runs", "list", "--source", "killed"));
    expect(after).toMatchObject({
      runs: [{ id: run?.id, status: "interrupted", exit_class: "interrupted" }],
      reconcile: { interrupted: 1 },
    });
    const folder = join(project.state, "fleets", project.fleet, "runs", run?.id ?? "");
    const lines = (await readFile(join(folder, "stdout.log"), "utf8")).trimEnd().split("\n");
    expect(lines).toEqual(Array.from({ length: 2000 }, (_, index) => `line-${index}`));
  });

  test("a runtime that is made anew under a command marks its run with why", async () => {
    const { ended } = project.start(["run", "--agent", "small", "--", "sh", "-c", "echo begun; sleep 600"]);
    const argv = ["runs", "list", "--agent", "small", "--status", "running"];
    await eventually("the command", async () => {
      const [run] = runListSchema.parse(await project.json(...argv)).runs;
      const text = run && (await project.ok("runs", "tail", run.id));
      return text?.includes("begun") === true ? run : undefined;
    });
    expect(await project.ok("explain", "agent/small")).toMatch(/busy: 1 run: \S+ of small:main for/);
    await project.ok("recreate", "agent/small", "--yes");
    expect((await ended).stderr).toContain("its sandbox was taken from it while it ran: ");
    const triage = triageSchema.parse(await project.json("runs", "triage"));
    expect(triage).toMatchObject({
      run: { agent: "small", status: "failed", disrupted: { plan_id: expect.stringMatching(/^sha256:/) } },
      diagnosis: { what: expect.stringContaining("its sandbox was taken from it") },
      runtime: { status: "running", same: false },
    });
  });

  test("tail -f shows lines as they come, and ends with the run", async () => {
    const script = "echo one; sleep 2; echo two; sleep 1; echo three";
    const running = project.start(["run", "--source", "followed", "--", "sh", "-c", script]);
    await eventually("the run", async () => {
      const { runs } = runListSchema.parse(await project.json("runs", "list", "--source", "followed"));
      return runs[0];
    });
    const tail = await project.run(["runs", "tail", "-f", "--latest", "--source", "followed"]);
    expect(tail).toMatchObject({ code: 0, stdout: "one\ntwo\nthree\n" });
    expect(await running.ended).toMatchObject({ code: 0, stdout: "one\ntwo\nthree\n" });
  });

  test(`${AT_ONCE} runs at once in one runtime keep their codes and their streams`, async () => {
    const script =
      'i=0; while [ $i -lt 50 ]; do echo "out $1 $i"; echo "err $1 $i" >&2; i=$((i+1)); done; exit $1';
    const run = async (code: number) => {
      const argv = ["run", "--json", "--source", "crowd", "--", "sh", "-c", script, "sh", String(code)];
      const ran = await project.run(argv);
      expect(ran.code).toBe(code);
      const { run_id } = runManifestSchema.parse(JSON.parse(ran.stdout));
      const folder = join(project.state, "fleets", project.fleet, "runs", run_id);
      for (const [stream, word] of [
        ["stdout", "out"],
        ["stderr", "err"],
      ] as const) {
        const lines = (await readFile(join(folder, `${stream}.log`), "utf8")).trimEnd().split("\n");
        expect(lines).toEqual(Array.from({ length: 50 }, (_, index) => `${word} ${code} ${index}`));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => run(index + 1)));
    const { runs } = runListSchema.parse(await project.json("runs", "list", "--source", "crowd"));
    expect(runs.map((each) => each.exit_code).toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual(
      Array.from({ length: AT_ONCE }, (_, index) => index + 1),
    );
    expect(new Set(runs.map((each) => each.id)).size).toBe(AT_ONCE);
  }, 240_000);
});
