import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rerunSchema, runInspectionSchema, runListSchema } from "../../src/model/run-answers.ts";
import { runManifestSchema } from "../../src/model/run-manifest.ts";
import { triageSchema } from "../../src/model/triage.ts";
import { Project, eventually } from "./cli.ts";

// Runs that outlive the command line that began them, and what one can do to them afterwards.

let project: Project;
beforeAll(async () => {
  project = await Project.open({ env: { CANARY: "s3cr3t-value" } });
  await project.config('[sandbox]\nsecrets = { TOKEN = { env = "CANARY" } }\n[agents.main]');
  await project.ok("apply", "--yes");
});
afterAll(async () => {
  // Nothing may outlive its project.
  const { runs } = runListSchema.parse(await project.json("runs", "list", "--status", "running"));
  for (const { id } of runs) await project.run(["runs", "cancel", id, "--grace", "0"]);
  await project[Symbol.asyncDispose]();
});

const statusOf = async (id: string): Promise<string> =>
  runInspectionSchema.parse(await project.json("runs", "inspect", id)).run.status;

async function detached(script: string, ...flags: string[]): Promise<string> {
  const id = (await project.ok("run", "--detach", ...flags, "--", "sh", "-c", script)).trim();
  expect(id).toMatch(/^\d{8}-\d{6}-\d{3}-[0-9a-f]{8}$/);
  return id;
}

describe("a detached run", () => {
  test("goes on by itself; attaching shows all of it, exact, and exits with its code", async () => {
    const script =
      "echo one; echo \"$TOKEN\" >&2; until [ -e go ]; do sleep 0.1; done; printf 'two\\000\\377'; exit 7";
    const id = await detached(script);
    expect(await statusOf(id)).toBe("running");
    const [row] = await project.list();
    expect(row?.busy).toBe(true);
    await project.file("go", "");
    const ran = await project.run(["runs", "attach", id]);
    expect(ran).toMatchObject({ code: 7, stdout: "one\ntwo\0\ufffd", stderr: "***\n" });
    expect(await statusOf(id)).toBe("failed");
    // And again, when it is long over.
    expect(await project.run(["runs", "attach", id])).toMatchObject({ code: 7, stdout: ran.stdout });
  });

  test("is ended by its timeout, without anybody there", async () => {
    const id = await detached("sleep 60", "--timeout", "500ms");
    expect((await project.run(["runs", "attach", id])).code).toBe(124);
    expect(await project.json("runs", "inspect", id)).toMatchObject({ run: { exit_class: "timeout" } });
  });

  test("is left alone by Ctrl-C of who attached", async () => {
    const id = await detached("echo up; until [ -e on ]; do sleep 0.1; done; echo done");
    const attached = project.start(["runs", "attach", id]);
    await new Promise((resolve) => attached.child.stdout?.once("data", resolve));
    attached.child.kill("SIGINT");
    expect(await attached.ended).toMatchObject({ code: 130, stdout: "up\n" });
    await project.file("on", "");
    expect(await project.run(["runs", "attach", id])).toMatchObject({ code: 0, stdout: "up\ndone\n" });
  });

  test("hands no trace of its supervision to the command", async () => {
    const id = await detached("env");
    expect((await project.run(["runs", "attach", id])).stdout).not.toContain("SANDKEEP_SUPERVISED");
  });

  test("that cannot begin says so, and is recorded", async () => {
    const ran = await project.run(["run", "--detach", "--", "true"], { env: { CANARY: undefined } });
    expect(ran).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("SECRET_UNRESOLVED") });
    const [run] = runListSchema.parse(await project.json("runs", "list", "--limit", "1")).runs;
    expect(run).toMatchObject({ status: "failed", exit_class: "not-started" });
    const bad = await project.run(["run", "--detach", "--agent", "nobody", "--", "true"]);
    expect(bad).toMatchObject({ code: 64, stderr: expect.stringContaining("nobody") });
  });

  test("is cancelled with TERM, and with KILL when that does nothing", async () => {
    const polite = await detached("trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done");
    await eventually("its start", async () =>
      (await project.ok("runs", "tail", polite)) === "up\n" ? true : undefined,
    );
    const ended = runManifestSchema.parse(await project.json("runs", "cancel", polite));
    expect(ended).toMatchObject({ cancelled: true, exit_code: 9, exit_class: "cancelled", status: "failed" });
    const deaf = await detached("trap '' TERM; echo up; while :; do sleep 0.1; done");
    await eventually("its start", async () =>
      (await project.ok("runs", "tail", deaf)) === "up\n" ? true : undefined,
    );
    const killed = runManifestSchema.parse(await project.json("runs", "cancel", deaf, "--grace", "500ms"));
    expect(killed).toMatchObject({ cancelled: true, exit_code: 137 });
    const again = await project.run(["runs", "cancel", deaf]);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("does not run: it is failed") });
  });
});

describe("afterwards", () => {
  test("a run is repeated, and exits as it did", async () => {
    const script = "echo again; exit 5";
    await project.run(["run", "--source", "task", "--", "sh", "-c", script]);
    const ran = await project.run(["runs", "rerun", "--latest", "--source", "task"]);
    expect(ran).toMatchObject({
      code: 5,
      stdout: "again\n",
      stderr: expect.stringContaining("under the same"),
    });
    await project.edit("[sandbox]", '[sandbox]\nenv = { NEW = "1" }');
    const changed = await project.run(["runs", "rerun", "--latest", "--source", "task", "--json"]);
    expect(changed.code).toBe(5);
    expect(rerunSchema.parse(JSON.parse(changed.stdout))).toMatchObject({
      differences: [],
      run: { status: "failed", source: "task" },
    });
  });

  test("triage finds the latest failure by itself, and may run it again", async () => {
    await project.run(["run", "--source", "sad", "--", "sh", "-c", "echo why >&2; exit 6"]);
    const { stdout, code } = await project.run(["runs", "triage"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /failed 6[^]*it exited with 6 by itself[^]*Last lines\nwhy\n[^]*agent\/main is running/,
    );
    const again = await project.run(["runs", "triage", "--latest-failed", "--rerun", "--json"]);
    expect(again.code).toBe(6);
    const triage = triageSchema.parse(JSON.parse(again.stdout));
    expect(triage).toMatchObject({
      lines: [{ text: "why" }],
      rerun: { rerun_of: triage.run.run_id, run: { exit_code: 6 } },
    });
  });

  test("cleanup says what it would do, and does it", async () => {
    const dry = await project.json("runs", "cleanup", "--older-than", "0", "--source", "sad", "--dry-run");
    expect(dry).toMatchObject({ dry_run: true, counts: { removed: 0 } });
    const text = await project.ok("runs", "clean", "--older-than", "0", "--source", "sad");
    expect(text).toMatch(/ removed\n/);
    expect(runListSchema.parse(await project.json("runs", "list", "--source", "sad")).runs).toEqual([]);
    expect(await project.ok("runs", "cleanup")).toContain("kept: it is recent");
  });
});
