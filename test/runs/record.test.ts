import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { runManifestSchema } from "../../src/model/run-manifest.ts";
import { findRuns } from "../../src/runs/history.ts";
import { runFolder, runsFolder } from "../../src/runs/layout.ts";
import { discard } from "../../src/apply/streams.ts";
import { runCommand } from "../../src/runs/run.ts";
import { DAY, Lab } from "../support/memory-fleet.ts";
import { applied, labRun, SANDBOX } from "./ledger.ts";

async function stored(lab: Lab, id: string, name: string): Promise<string> {
  return await readFile(join(runFolder(lab.state(), id), name), "utf8");
}

describe("a run in the ledger", () => {
  it("has its manifest, and its output apart", async () => {
    await using lab = new Lab();
    await applied(lab);
    const { manifest } = await labRun(lab, ["sh", "-c", "echo out && complain err && exit 3"], {
      env: { B: "2", A: "1" },
      timeoutMs: 9_000,
      source: "task",
    });
    const { run_id } = manifest;
    expect(runManifestSchema.parse(JSON.parse(await stored(lab, run_id, "manifest.json")))).toEqual(manifest);
    expect(manifest).toMatchObject({
      status: "failed",
      exit_class: "error",
      exit_code: 3,
      source: "task",
      agent: "a",
      address: "agent/a",
      argv: ["sh", "-c", "echo out && complain err && exit 3"],
      env: { mode: "inherit", names: ["A", "B"], secrets: [] },
      timeout_ms: 9_000,
      image: { ref: "img:a" },
      logs: { stdout: { bytes: 4, lost: 0 }, stderr: { bytes: 4 } },
      object_id: lab.objects()[0]?.id,
    });
    expect(await stored(lab, run_id, "stdout.log")).toBe("out\n");
    expect(await stored(lab, run_id, "stderr.log")).toBe("err\n");
    expect(await stored(lab, run_id, "times.idx")).toBe("o 0 0\ne 0 0\n");
    expect(await readdir(join(lab.state().dir, "open-runs"))).toEqual([]);
  });

  it.each([
    [["true"], "ok", "success", null],
    [["exit", "137"], "failed", "signal", "SIGKILL"],
    [["exit", "143"], "failed", "signal", "SIGTERM"],
    [["exit", "255"], "failed", "error", null],
    [["no-such"], "failed", "not-found", null],
    [["exit", "126"], "failed", "not-executable", null],
    [["forbidden"], "failed", "refused", null],
    [["starve"], "failed", "out-of-memory", "SIGKILL"],
  ] as const)("%j is told as %s, %s", async (argv, status, exit_class, signal) => {
    await using lab = new Lab();
    await applied(lab);
    const { manifest } = await labRun(lab, argv);
    expect(manifest).toMatchObject({ status, exit_class, signal });
  });

  it("holds no secret: not in its output, nor in its argv, wherever the output is cut", async () => {
    await using lab = new Lab({ env: { SRC: "hunter2-hunter2" } });
    await applied(lab, { sandbox: { ...SANDBOX, secrets: { TOKEN: { env: "SRC" } } } });
    const stdin = Readable.from([
      Buffer.from("a hunter2-"),
      Buffer.from("hunt"),
      Buffer.from("er2 b hunter2-"),
    ]);
    const { manifest, stdout } = await labRun(lab, ["cat"], { stdin });
    // The caller asked for the command's own output.
    expect(stdout).toBe("a hunter2-hunter2 b hunter2-");
    expect(await stored(lab, manifest.run_id, "stdout.log")).toBe("a *** b hunter2-");
    await labRun(lab, ["echo", "x=hunter2-hunter2"]);
    const encoded = Buffer.from("hunter2-hunter2").toString("base64");
    const told = await labRun(lab, ["echo", `as a header: ${encoded}`]);
    expect(await stored(lab, told.manifest.run_id, "stdout.log")).toBe("as a header: ***\n");
    const written = await lab.everythingWritten();
    expect(written).not.toContain("hunter2-hunter2");
    expect(written).not.toContain(encoded);
    expect((await findRuns(lab.state(), { now: 0 })).runs.map(({ argv }) => argv)).toEqual([
      ["echo", "as a header: ***"],
      ["echo", "x=***"],
      ["cat"],
    ]);
  });

  it("stores bytes that are no text as they are", async () => {
    await using lab = new Lab();
    await applied(lab);
    const { manifest } = await labRun(lab, ["bytes", "100000"]);
    const bytes = await readFile(join(runFolder(lab.state(), manifest.run_id), "stdout.log"));
    expect(bytes.equals(Buffer.from(Array.from({ length: 100_000 }, (_, index) => index & 255)))).toBe(true);
  });

  it("has none of the agent's secrets in a clean environment", async () => {
    await using lab = new Lab({ env: { SRC: "hunter2" } });
    await applied(lab, { sandbox: { ...SANDBOX, secrets: { TOKEN: { env: "SRC" } } } });
    expect((await labRun(lab, ["env"])).stdout).toContain("TOKEN=hunter2");
    const clean = await labRun(lab, ["env"], { envMode: "clean", env: { OWN: "1" } });
    expect(clean.stdout).toContain("OWN=1");
    expect(clean.stdout).not.toContain("TOKEN");
    expect(clean.manifest.env).toEqual({ mode: "clean", names: ["OWN"], secrets: [] });
  });

  it("keeps at most what the config says of a stream", async () => {
    await using lab = new Lab();
    await applied(lab, { runs: { max_log: "1kB" } });
    const { manifest } = await labRun(lab, ["bytes", "10000"]);
    const folder = runFolder(lab.state(), manifest.run_id);
    expect((await readdir(folder)).toSorted()).toContain("stdout.log.1");
    expect(manifest.logs?.stdout).toMatchObject({ bytes: 10_000, lost: 0, error: null });
    expect(manifest.logs?.stdout.dropped).toBeGreaterThanOrEqual(9_000);
  });
});

describe("a clock that jumps", () => {
  it("changes nothing about how long a run lasted, and none ends before it began", async () => {
    await using lab = new Lab();
    await applied(lab);
    const engine = lab.engine();
    const began = lab.time.now();
    let elapsed = 0;
    const jumping = {
      ...engine,
      // Back by a day while the command runs.
      now: () => (elapsed === 0 ? began : began - DAY),
      wait: { ...engine.wait, elapsed: () => elapsed },
    };
    const pass = async (): Promise<void> => {
      elapsed = 5_000;
    };
    lab.world.inject({ op: "exec", effect: { kind: "hook", when: "before", run: pass } });
    const io = { stdout: discard(), stderr: discard() };
    const answer = await runCommand(jumping, { agent: "a", argv: ["true"], env: {} }, io);
    expect(answer).toMatchObject({
      manifest: {
        started_at: new Date(began).toISOString(),
        ended_at: new Date(began + 5_000).toISOString(),
        duration_ms: 5_000,
      },
    });
  });
});

describe("what did not come to a command", () => {
  it("is recorded with why, and fails as it would", async () => {
    await using lab = new Lab();
    await applied(lab, { sandbox: { ...SANDBOX, secrets: { TOKEN: { env: "MISSING" } } } });
    await expect(labRun(lab, ["true"])).rejects.toMatchObject({ code: "SECRET_UNRESOLVED" });
    const { runs } = await findRuns(lab.state(), { now: 0 });
    expect(runs).toMatchObject([
      { status: "failed", exit_class: "not-started", exit_code: null, argv: ["true"] },
    ]);
  });

  it("may be the backend's doing: the outcome is not known", async () => {
    await using lab = new Lab();
    await applied(lab);
    lab.world.inject({
      op: "exec",
      effect: { kind: "fail", when: "before", as: "unreachable", message: "gone" },
    });
    await expect(labRun(lab, ["true"])).rejects.toThrow("gone");
    const { runs } = await findRuns(lab.state(), { now: 0 });
    expect(runs).toMatchObject([{ status: "failed", exit_class: "not-started" }]);
  });
});

describe("a ledger that cannot be written", () => {
  it("lets nothing begin", async () => {
    await using lab = new Lab();
    await applied(lab);
    await writeFile(runsFolder(lab.state()), "");
    await expect(labRun(lab, ["true"])).rejects.toMatchObject({ code: "STATE_IO" });
    expect(await readdir(join(lab.state().dir, "open-runs"))).toEqual([]);
  });

  it("changes nothing about a command that has begun", async () => {
    await using lab = new Lab();
    await applied(lab);
    const spoil = async (): Promise<void> => {
      await rm(runsFolder(lab.state()), { recursive: true });
      await writeFile(runsFolder(lab.state()), "");
    };
    lab.world.inject({ op: "exec", effect: { kind: "hook", when: "before", run: spoil } });
    const ran = await labRun(lab, ["sh", "-c", "echo out && exit 7"]);
    expect(ran).toMatchObject({ stdout: "out\n", manifest: { exit_code: 7, logs: { stdout: { lost: 4 } } } });
    const codes = lab.events.flatMap((each) => (each.type === "note" ? [each.code] : []));
    expect(codes).toEqual(["RUN_NOT_RECORDED", "LOG_NOT_RECORDED"]);
  });

  it("that is full ends a log, and the command goes on to its own end", async () => {
    await using lab = new Lab();
    await applied(lab);
    const runId = "20300101-000000-000-0000000f";
    const fill = (): Promise<void> => symlink("/dev/full", join(runFolder(lab.state(), runId), "stdout.log"));
    lab.world.inject({ op: "exec", effect: { kind: "hook", when: "before", run: fill } });
    const ran = await labRun(lab, ["sh", "-c", "bytes 5000 && complain err && exit 7"], { runId });
    expect(ran.stdout.length).toBeGreaterThan(0);
    expect(ran.manifest).toMatchObject({
      exit_code: 7,
      status: "failed",
      logs: {
        stdout: { bytes: 5000, lost: 5000, error: "ENOSPC" },
        stderr: { bytes: 4, lost: 0, error: null },
      },
    });
    expect(JSON.parse(await stored(lab, runId, "manifest.json"))).toEqual(ran.manifest);
    expect(lab.events.at(-1)).toMatchObject({ code: "LOG_NOT_RECORDED" });
  });

  it("never makes two runs of one id", async () => {
    await using lab = new Lab();
    await applied(lab);
    const runId = "20300101-000000-000-00000001";
    await mkdir(runFolder(lab.state(), runId), { recursive: true });
    await expect(labRun(lab, ["true"], { runId })).rejects.toMatchObject({ code: "STATE_IO" });
    expect(existsSync(join(runFolder(lab.state(), runId), "manifest.json"))).toBe(false);
  });
});
