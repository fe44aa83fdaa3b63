import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HONOURED } from "../../src/cli/honoured.ts";
import { VERBS } from "../../src/cli/verbs.ts";
import { listingSchema } from "../../src/model/listing.ts";
import { applyResultSchema } from "../../src/model/outcome.ts";
import { planSchema } from "../../src/model/plan.ts";
import { cli } from "./streams.ts";

// What a person may have meant otherwise is refused or told, and never answered with a quiet success.

let dir = "";
let fleet = "";
let context: { cwd: string; env: Record<string, string> };

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sandkeep-refusals-"));
  fleet = `t${dir.slice(-6).toLowerCase()}`;
  await mkdir(join(dir, "repo"));
  const env = {
    SANDKEEP_STATE_DIR: join(dir, "state"),
    HOME: dir,
    PATH: process.env["PATH"] ?? "",
    DOCKER_HOST: `unix://${join(dir, "no-engine.sock")}`,
  };
  context = { cwd: join(dir, "repo"), env };
  await config("[agents.main]\n[agents.work]");
});
afterEach(async () => {
  await config("[agents.main]");
  await sandkeep("release", "fleet");
  await sandkeep("destroy", "--all", "--unprotect", "--yes");
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

async function config(body: string): Promise<void> {
  const head = `version = 1\nfleet = "${fleet}"\nfleet_id = "k3v9q2"\n`;
  await writeFile(join(dir, "repo", "sandkeep.toml"), `${head}${body}\n`);
}

const sandkeep = (...argv: string[]) => cli(argv, context);
const withEnv = (env: Record<string, string>, ...argv: string[]) =>
  cli(argv, { ...context, env: { ...context.env, ...env } });
const addresses = async (): Promise<(string | null)[][]> =>
  listingSchema
    .parse(JSON.parse((await sandkeep("list", "--json")).stdout))
    .runtimes.map((row) => [row.address, row.object_id]);

const DOCKER = '[agents.away.sandbox]\nbackend = "docker"\ndocker.image = "img:1"\nworkspace.access = "none"';

describe("a plan of another time", () => {
  test("is not saved", async () => {
    const ran = await sandkeep("plan", "--at", "+25h", "--out", "x.json");
    expect(ran).toMatchObject({ code: 64, stdout: "" });
    expect(ran.stderr).toMatch(/--at[^]*--out[^]*not be applied/);
    await expect(readFile(join(dir, "repo", "x.json"))).rejects.toThrow(/ENOENT/);
  });

  test("says so, and is not applied when it was saved by hand", async () => {
    const now = planSchema.parse(JSON.parse((await sandkeep("plan", "--json")).stdout));
    expect(now.at).toBeNull();
    const { stdout } = await sandkeep("plan", "--at", "+25h", "--json");
    const { at } = planSchema.parse(JSON.parse(stdout));
    expect(Date.parse(at ?? "") - Date.now()).toBeGreaterThan(24 * 3_600_000);
    await writeFile(join(dir, "repo", "x.json"), stdout);
    const ran = await sandkeep("apply", "x.json", "--yes");
    expect(ran).toMatchObject({ code: 64, stdout: "" });
    expect(ran.stderr).toContain(at ?? "?");
    expect(await addresses()).toEqual([
      ["agent/main", null],
      ["agent/work", null],
    ]);
  });
});

describe("a global flag that a verb cannot honour", () => {
  test("is listed for verbs that exist", () => {
    const names = new Set(VERBS.map((verb) => verb.name));
    for (const { verbs } of HONOURED) for (const verb of verbs) expect(names).toContain(verb);
  });

  test.each(
    HONOURED.flatMap(({ flag, verbs }) =>
      VERBS.filter(({ name }) => !verbs.includes(name)).map(({ name }) => [name, flag] as const),
    ),
  )("%s refuses %s and names those that can", async (verb, flag) => {
    const words = VERBS.find(({ name }) => name === verb)?.args.map(() => "shared") ?? [];
    const ran = await sandkeep(verb, ...words, flag, "agent/main");
    expect(ran).toMatchObject({ code: 64, stdout: "" });
    expect(ran.stderr).toContain(`${verb} cannot honour ${flag}`);
    for (const each of HONOURED.find((row) => row.flag === flag)?.verbs ?? [])
      expect(ran.stderr).toContain(each);
  });

  test("a twin that would be ignored to harm is refused, and one that changes nothing is not", async () => {
    const watched = await withEnv({ SANDKEEP_TARGET: "agent/main" }, "watch", "--once");
    expect(watched).toMatchObject({ code: 64 });
    expect(watched.stderr).toContain("watch cannot honour SANDKEEP_TARGET");
    expect(await withEnv({ SANDKEEP_TARGET: "agent/main" }, "validate")).toMatchObject({ code: 0 });
    for (const argv of [["plan"], ["apply", "--yes"], ["watch", "--once"], ["explain"]]) {
      const other = await withEnv({ SANDKEEP_FLEET: "other" }, ...argv);
      expect(other).toMatchObject({ code: 64 });
      expect(other.stderr).toMatch(/SANDKEEP_FLEET is "other"[^]*is of fleet/);
    }
    expect(await withEnv({ SANDKEEP_FLEET: fleet }, "plan")).toMatchObject({ code: 0 });
    expect((await addresses()).map(([, id]) => id)).toEqual([null, null]);
  });
});

describe("an engine that cannot be seen", () => {
  test("makes a listing incomplete, with a config and without", async () => {
    await sandkeep("apply", "--yes");
    await config(`[agents.main]\n${DOCKER}`);
    const listed = await sandkeep("list");
    expect(listed.code).toBe(69);
    expect(listed.stdout).toMatch(/agent\/away +unreachable[^]*NOT SEEN[^]*docker/);
    const json = await sandkeep("list", "--json");
    expect(json.code).toBe(69);
    expect(listingSchema.parse(JSON.parse(json.stdout)).unobserved).toEqual([
      { backend: "docker", host: "local", message: expect.stringContaining("no-engine.sock") },
    ]);
    const blind = await withEnv({ SANDKEEP_STATE_DIR: join(dir, "lost") }, "list", "--fleet", fleet);
    expect(blind.code).toBe(69);
    expect(blind.stdout).toMatch(/No runtimes among [^]*NOT SEEN[^]*docker/);
    // Where the state tells which engines the fleet uses, the others say nothing about it.
    expect(await sandkeep("list", "--fleet", fleet)).toMatchObject({ code: 0 });
    expect((await sandkeep("list", "--backend", "local")).code).toBe(0);
  });

  test("is no proof that a runtime does not exist", async () => {
    await config(DOCKER);
    const inspected = await sandkeep("inspect", "agent/away", "--json");
    expect(inspected.code).toBe(69);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ error: { code: "NOT_OBSERVED" } });
    expect(inspected.stderr).toContain("docker");
    for (const argv of [["--all"], ["--drifted"], ["--agent", "away"]]) {
      const recreated = await sandkeep("recreate", ...argv, "--yes");
      expect(recreated.code).toBe(69);
      expect(recreated.stderr).toMatch(/docker[^]*could not be seen/);
    }
  });
});

describe("a mistyped address", () => {
  test.each([["destroy"], ["recreate"]])("%s refuses it, and does nothing to the others", async (verb) => {
    await sandkeep("apply", "--yes");
    const before = await addresses();
    const ran = await sandkeep(verb, "agent/main", "agent/wrok", "--yes");
    expect(ran.code).toBe(64);
    expect(ran.stderr).toMatch(/agent\/wrok is no runtime[^]*id you mean agent\/work\?/);
    expect(await addresses()).toEqual(before);
    const json = await sandkeep(verb, "agent/wrok", "--yes", "--json");
    expect(json.code).toBe(64);
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: "USAGE" } });
  });

  test("is no error for what is declared and not there", async () => {
    expect(await sandkeep("destroy", "agent/work", "--yes")).toMatchObject({ code: 0 });
  });

  test("plan --replace and hold warn of it", async () => {
    const planned = await sandkeep("plan", "--replace", "agent/wrok");
    expect(planned.code).toBe(0);
    expect(planned.stdout).toMatch(/agent\/wrok is no runtime[^]*did you mean agent\/work\?/);
    const held = await sandkeep("hold", "agent/wrok", "--reason", "r");
    expect(held).toMatchObject({ code: 0, stdout: expect.stringContaining("Held: agent/wrok") });
    expect(held.stderr).toMatch(/agent\/wrok[^]*nothing is declared[^]*agent\/work/);
    expect(await sandkeep("hold", "agent/work", "--reason", "r")).toMatchObject({ code: 0, stderr: "" });
    expect(await sandkeep("hold", "fleet", "--reason", "r")).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("a session that several agents have", () => {
  test("is not guessed, and nothing is recreated", async () => {
    await config(
      '[sandbox]\nscope = "session"\n[agents.main]\nsessions = ["x"]\n[agents.work]\nsessions = ["x"]',
    );
    await sandkeep("apply", "--yes");
    const before = await addresses();
    const ran = await sandkeep("recreate", "--session", "x", "--yes");
    expect(ran.code).toBe(64);
    expect(ran.stderr).toMatch(/ambiguous[^]*agent:main:x, agent:work:x; name one/);
    expect(await addresses()).toEqual(before);
    await sandkeep("recreate", "--session", "x", "--agent", "work", "--yes");
    const [main, work] = await addresses();
    expect(main).toEqual(before[0]);
    expect(work).not.toEqual(before[1]);
  });
});

describe("what somebody holds", () => {
  test.each([["destroy"], ["recreate"]])("%s by name is blocked, and the rest is done", async (verb) => {
    await sandkeep("apply", "--yes");
    const before = await addresses();
    await sandkeep("hold", "agent/work", "--reason", "debugging it");
    const ran = await sandkeep(verb, "agent/work", "--yes");
    expect(ran.code).toBe(3);
    expect(ran.stdout).toMatch(/agent\/work[^]*held by \S+[^]*debugging it[^]*sandkeep release agent\/work/);
    expect(await addresses()).toEqual(before);
    const both = await sandkeep(verb, "agent/work", "agent/main", "--yes", "--json");
    expect(both.code).toBe(3);
    const result = applyResultSchema.parse(JSON.parse(both.stdout));
    expect(result).toMatchObject({ exit_code: 3, summary: { done: 1, skipped: 1 } });
    expect(result.outcomes.map((each) => [each.address, each.status])).toEqual([
      ["agent/main", "done"],
      ["agent/work", "skipped"],
    ]);
  });

  test("a hold of the whole fleet is ended by its own name", async () => {
    await sandkeep("apply", "--yes");
    await sandkeep("hold", "fleet", "--reason", "demo");
    const ran = await sandkeep("destroy", "agent/work", "--yes");
    expect(ran.code).toBe(3);
    expect(ran.stdout).toContain("sandkeep release fleet");
    // Nobody named it, so that it is told and no fault.
    expect(await sandkeep("destroy", "--all", "--yes")).toMatchObject({ code: 0 });
  });
});

describe("results", () => {
  test("are told once where nobody looks on, and twice only when asked for", async () => {
    const applied = await sandkeep("apply", "--yes");
    expect(applied.stdout).toMatch(/agent\/main +create done/);
    expect(applied.stderr).toBe("");
    expect((await sandkeep("recreate", "--all", "--yes", "--log-level", "debug")).stderr).toContain(
      "agent/main: recreate done",
    );
    expect((await sandkeep("recreate", "--all", "--yes", "--json")).stderr).toContain(
      "agent/main: recreate done",
    );
    await config("[sandbox]\nsetup = ['true']\n[agents.main]\n[agents.work]");
    // Long work is told while it goes on.
    expect((await sandkeep("recreate", "agent/main", "--yes")).stderr).toMatch(
      /^agent\/main: setup \(.*\)\n$/,
    );
  });

  test("a saved plan's too", async () => {
    await sandkeep("plan", "--out", "x.json");
    const applied = await sandkeep("apply", "x.json", "--yes");
    expect(applied).toMatchObject({ code: 0, stderr: "" });
  });
});

test("a saved plan that somebody changed is not applied", async () => {
  await sandkeep("plan", "--out", "x.json");
  const saved = await readFile(join(dir, "repo", "x.json"), "utf8");
  await writeFile(join(dir, "repo", "x.json"), saved.replace(/"target": "[^"]+"/, '"target": "/elsewhere"'));
  const refused = await sandkeep("apply", "x.json", "--yes");
  expect(refused).toMatchObject({ code: 64, stderr: expect.stringContaining("changed after it was made") });
  await writeFile(join(dir, "repo", "x.json"), saved);
  expect(await sandkeep("apply", "x.json", "--yes")).toMatchObject({ code: 0 });
});

test("a config that is nowhere is told with where was looked", async () => {
  const ran = await cli(["plan"], { ...context, cwd: dir });
  expect(ran.code).toBe(78);
  expect(ran.stderr).not.toContain(".:");
  expect(ran.stderr).toContain(dir);
  expect(ran.stderr).toContain("sandkeep init");
});
