import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordedEventSchema } from "../../src/model/recorded-event.ts";
import {
  runIndexSchema,
  runInspectionSchema,
  runLedgerStatusSchema,
  runListSchema,
  runPathsSchema,
  runTailSchema,
} from "../../src/model/run-answers.ts";
import { runManifestSchema } from "../../src/model/run-manifest.ts";
import { cli } from "./streams.ts";

// The ledger as a person sees it, on the local backend.

let dir = "";
let context: { cwd: string; env: Record<string, string> };
let failing = "";

const sandkeep = (...argv: string[]) => cli(argv, context);
const json = async (...argv: string[]): Promise<unknown> =>
  JSON.parse((await sandkeep(...argv, "--json")).stdout);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "sandkeep-runs-"));
  await mkdir(join(dir, "repo"));
  const env = { SANDKEEP_STATE_DIR: join(dir, "state"), HOME: dir, PATH: process.env["PATH"] ?? "" };
  context = { cwd: join(dir, "repo"), env };
  const config = `version = 1\nfleet = "r${dir.slice(-6).toLowerCase()}"\nfleet_id = "k3v9q2"\n[agents.main]\n`;
  await writeFile(join(dir, "repo", "sandkeep.toml"), config);
  const script = "printf 'a\\033[2Jb\\377\\n'; sleep 0.1; printf 'tab\\there\\n' >&2; exit 3";
  const ran = await sandkeep("run", "--json", "--", "sh", "-c", script);
  failing = runManifestSchema.parse(JSON.parse(ran.stdout)).run_id;
  await sandkeep("run", "--source", "task", "--", "true");
});
afterAll(async () => {
  await sandkeep("destroy", "--all", "--yes");
  await rm(dir, { recursive: true, force: true });
});

describe("runs list", () => {
  test("is a table for people, and a document of the published form", async () => {
    const { code, stdout } = await sandkeep("runs", "list");
    expect(code).toBe(0);
    const [first = "", second = ""] = stdout.split("\n");
    expect(first).toMatch(/^\d{8}-\d{6}-\d{3}-[0-9a-f]{8} {2}ok +main:main .* true$/);
    expect(second).toMatch(/failed 3 +main:main/);
    expect(runListSchema.parse(await json("runs", "list")).runs).toMatchObject([
      { source: "task", status: "ok" },
      { source: "cli", status: "failed", exit_code: 3, id: failing },
    ]);
  });

  test("takes a status, a source and a limit", async () => {
    const failed = runListSchema.parse(await json("runs", "list", "--status", "failed"));
    expect(failed.runs.map((each) => each.id)).toEqual([failing]);
    const task = runListSchema.parse(await json("runs", "list", "--source", "task", "--status", "all"));
    expect(task.runs).toHaveLength(1);
    expect(runListSchema.parse(await json("runs", "list", "--limit", "1"))).toMatchObject({ more: true });
  });
});

describe("one run", () => {
  test("is inspected, with its last lines", async () => {
    const { stdout } = await sandkeep("runs", "inspect", failing, "--tail", "5");
    expect(stdout).toContain(`${failing}  failed 3`);
    expect(stdout).toContain("a\\x1b[2Jb\\\\xff".replace("\\\\xff", "\\xff"));
    const found = runInspectionSchema.parse(await json("runs", "inspect", failing, "--tail", "5"));
    expect(found).toMatchObject({
      run: { run_id: failing, exit_code: 3, config: { commit: null, dirty: null } },
      lines: [
        { stream: "stdout", text: "a\u001b[2Jb\\xff" },
        { stream: "stderr", text: "tab\there" },
      ],
    });
    expect(await readFile(found.latest_log ?? "", "utf8")).toBe("tab\there\n");
  });

  test("shows its output escaped, and keeps it exact", async () => {
    const { stdout } = await sandkeep("runs", "tail", "--latest-failed");
    expect(stdout).toBe("a\\x1b[2Jb\\xff\ntab\there\n");
    const paths = runPathsSchema.parse(await json("runs", "open", "--latest-failed"));
    expect(await readFile(paths.stdout ?? "")).toEqual(Buffer.from("a\u001b[2Jb\u00ff\n", "latin1"));
    expect((await sandkeep("runs", "open", failing)).stdout).toBe(`${paths.stderr}\n`);
    expect((await sandkeep("runs", "open", failing, "--stream", "stdout")).stdout).toBe(`${paths.stdout}\n`);
  });

  test("is followed to its end, which has come", async () => {
    const ran = await sandkeep("runs", "tail", "-f", "--latest-failed", "--stream", "stderr");
    expect(ran).toMatchObject({ code: 0, stdout: "tab\there\n" });
    const lines = (await sandkeep("runs", "tail", "--json", "-f", failing)).stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).stream)).toEqual(["stdout", "stderr"]);
  });

  test("without output has no log, and says so", async () => {
    const tail = runTailSchema.parse(await json("runs", "tail", "--latest"));
    expect(tail).toMatchObject({ latest_log: null, lines: [] });
    const paged = await sandkeep("runs", "open", "--latest", "--pager");
    expect(paged).toMatchObject({ code: 1, stderr: expect.stringContaining("no log yet") });
    const folder = (await sandkeep("runs", "open", "--latest")).stdout.trim();
    expect(existsSync(join(folder, "manifest.json"))).toBe(true);
  });
});

describe("the ledger", () => {
  test("has a state, and an index that can be made again", async () => {
    expect(runLedgerStatusSchema.parse(await json("runs", "status"))).toMatchObject({
      total: 2,
      counts: { ok: 1, failed: 1 },
      latest_failed: { id: failing },
    });
    expect((await sandkeep("runs", "status")).stdout).toContain("2 runs of fleet");
    expect(runIndexSchema.parse(await json("runs", "rebuild-index"))).toMatchObject({ indexed: 2 });
    expect((await sandkeep("runs", "rebuild-index")).stdout).toBe(
      "Index made from 2 ended runs, 0 running.\n",
    );
  });

  test("is found by the fleet's name alone", async () => {
    const name = `r${dir.slice(-6).toLowerCase()}`;
    const elsewhere = { ...context, cwd: dir };
    const ran = await cli(["runs", "list", "--fleet", name, "--json"], elsewhere);
    expect(runListSchema.parse(JSON.parse(ran.stdout)).runs).toHaveLength(2);
  });
});

describe("what makes no sense is refused", () => {
  test.each<[string[], RegExp]>([
    [["runs", "lst"], /no action "lst"[^]*Did you mean list/],
    [["runs", "inspect"], /RUN_TARGET_REQUIRED[^]*--latest-failed/],
    [["runs", "inspect", "--latest", "--latest-failed"], /several runs/],
    [["runs", "inspect", "x", "y"], /takes one run/],
    [["runs", "list", "x"], /takes no run/],
    [["runs", "list", "--pager"], /runs list has no --pager[^]*It is for open/],
    [["runs", "list", "--latest-failed"], /runs list has no --latest-failed/],
    [["runs", "list", "--status", "bad"], /--status is "bad"[^]*interrupted/],
    [["runs", "list", "--limit", "0"], /--limit/],
    [["runs", "tail", "--latest", "--stream", "both"], /--stream is "both"/],
    [["run", "--env-mode", "empty", "--", "true"], /--env-mode is "empty"/],
    [["run", "--source", "all", "--", "true"], /--source is "all"/],
  ])("%j", async (argv, message) => {
    const ran = await sandkeep(...argv);
    expect(ran).toMatchObject({ code: 64, stdout: "" });
    expect(ran.stderr).toMatch(message);
  });
});

describe("events", () => {
  test("are one line each: for people, and as documents of the published form", async () => {
    const { stdout } = await sandkeep("events", "--json", "--since", "1h");
    const events = stdout.split("\n").filter(Boolean);
    const parsed = events.map((line) => recordedEventSchema.parse(JSON.parse(line)));
    expect(parsed.map(({ type }) => type)).toEqual(expect.arrayContaining(["run.started", "run.ended"]));
    const people = (await sandkeep("events")).stdout.split("\n").filter(Boolean);
    expect(people).toHaveLength(events.length);
    expect(people.some((line) => /Z {2}run\.ended {7}[0-9a-f]{16} {2}error in /.test(line))).toBe(true);
  });

  test("since when must be a time", async () => {
    expect((await sandkeep("events", "--since", "yesterday")).code).toBe(64);
    expect((await sandkeep("events", "--since", "2999-01-01T00:00:00Z")).stdout).toBe("");
  });
});
