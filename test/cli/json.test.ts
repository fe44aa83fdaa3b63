import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explanationSchema } from "../../src/model/explain.ts";
import { listingSchema } from "../../src/model/listing.ts";
import { applyResultSchema } from "../../src/model/outcome.ts";
import { planSchema } from "../../src/model/plan.ts";
import { runManifestSchema } from "../../src/model/run-manifest.ts";
import { cli, testStreams } from "./streams.ts";

let dir = "";
let context: { cwd: string; env: Record<string, string> };

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sandkeep-json-"));
  await mkdir(join(dir, "repo"));
  const env = { SANDKEEP_STATE_DIR: join(dir, "state"), HOME: dir, PATH: process.env["PATH"] ?? "" };
  context = { cwd: join(dir, "repo"), env };
  expect((await cli(["init", "--fleet", `t${dir.slice(-6).toLowerCase()}`], context)).code).toBe(0);
});
afterEach(async () => {
  await cli(["destroy", "--all", "--unprotect", "--yes"], context);
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

/** Runs with `--json` and fails unless stdout is exactly one JSON document. */
async function json(...argv: string[]): Promise<{ code: number; document: unknown; stderr: string }> {
  const [verb = "", ...rest] = argv;
  const { code, stdout, stderr } = await cli([verb, "--json", ...rest], context);
  return { code, document: JSON.parse(stdout), stderr };
}

/** What `run` reads; ended, as a shell's `</dev/null` would. */
function ended() {
  const streams = testStreams();
  streams.stdin.end();
  return streams;
}

describe("with --json stdout holds one document of the published format", () => {
  test("from plan to destroy", async () => {
    expect((await json("validate")).document).toEqual({ ok: true, diagnostics: [] });
    explanationSchema.parse((await json("explain")).document);
    const planned = await json("plan", "--detailed-exitcode", "--out", "plan.json");
    expect(planned.code).toBe(2);
    expect(planSchema.parse(planned.document).summary.create).toBe(1);
    const applied = await json("apply", "plan.json", "--yes");
    expect(applied.code).toBe(0);
    expect(applyResultSchema.parse(applied.document).summary.done).toBe(1);
    expect(applied.stderr).toContain("agent/main: create done");
    expect((await json("apply", "plan.json", "--yes")).code).toBe(4);
    const listed = listingSchema.parse((await json("list")).document);
    expect(listed.runtimes.map((row) => [row.address, row.config])).toEqual([["agent/main", "match"]]);
    expect((await json("inspect", "agent/main")).document).toMatchObject({ address: "agent/main", diff: [] });
    applyResultSchema.parse((await json("recreate", "--all", "--force")).document);
    const pruned = applyResultSchema.parse((await json("prune", "--dry-run", "--idle", "1h")).document);
    expect(pruned.calls.write).toBe(0);
    const destroyed = applyResultSchema.parse((await json("destroy", "agent/main", "--yes")).document);
    expect(destroyed.outcomes.map((outcome) => outcome.action)).toEqual(["remove"]);
  });

  test("errors are documents too", async () => {
    const refused = await json("apply");
    expect(refused).toMatchObject({ code: 3, document: { error: { code: "CONFIRMATION_NEEDED" } } });
    expect(refused.stderr).toContain("not a terminal");
    expect(await json("inspect", "agent/mian")).toMatchObject({
      code: 1,
      document: { error: { code: "NO_SUCH_RUNTIME", hint: "Did you mean agent/main?" } },
    });
  });

  test("a run's streams go to stderr, and its exit code is the command's", async () => {
    const argv = [
      "run",
      "--json",
      "--env",
      "GREETING",
      "--",
      "sh",
      "-c",
      'echo "$GREETING"; echo oops >&2; exit 9',
    ];
    const streams = ended();
    const env = { ...context.env, GREETING: "hello" };
    const ran = await cli(argv, { ...context, env, streams });
    expect(ran.code).toBe(9);
    expect(runManifestSchema.parse(JSON.parse(ran.stdout))).toMatchObject({ exit_code: 9, timed_out: false });
    expect(ran.stderr).toMatch(/hello\n/);
    expect(ran.stderr).toMatch(/oops\n/);
  });
});

test("a run keeps its streams apart, reads stdin, and ends when its time is up", async () => {
  const streams = testStreams();
  streams.stdin.end("from stdin\n");
  const ran = await cli(["run", "-q", "--", "sh", "-c", "cat; echo apart >&2"], { ...context, streams });
  expect(ran).toEqual({ code: 0, stdout: "from stdin\n", stderr: "apart\n" });
  const slow = await cli(["run", "-q", "--timeout", "200ms", "--", "sleep", "30"], {
    ...context,
    streams: ended(),
  });
  expect(slow.code).toBe(124);
});
