import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fleetNameOf } from "../../src/cli/commands/init.ts";
import { filterSettings } from "../../src/cli/commands/explain.ts";
import { dryRunResult } from "../../src/cli/commands/prune.ts";
import { commandEnv } from "../../src/cli/command-request.ts";
import { REPORT_TITLE, reportFailure } from "../../src/cli/failure.ts";
import { readPlan, savePlan } from "../../src/cli/plan-file.ts";
import { VERBS } from "../../src/cli/verbs.ts";
import { applyResultSchema } from "../../src/model/outcome.ts";
import { planId } from "../../src/plan/plan-id.ts";
import { explanation } from "../render/answers.ts";
import { fullPlan } from "../render/plans.ts";
import { cli, testStreams } from "./streams.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sandkeep-cli-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

const here = () => ({ cwd: dir, env: { SANDKEEP_STATE_DIR: join(dir, "state"), HOME: dir } });

/** Parses only when stdout is exactly one JSON document. */
function document(stdout: string): Record<string, unknown> {
  expect(stdout.endsWith("}\n")).toBe(true);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const context = (json: boolean) => {
  const streams = testStreams();
  const argv = ["run", "--env", "TOKEN=hunter2secret", "--", "deploy", "s3cr3t-argument"];
  return { streams, json, verb: "run", argv, version: "1.2.3" };
};

const settings = (path: string) =>
  filterSettings(explanation(), path).agents.map((agent) => Object.keys(agent.settings));

describe("usage", () => {
  test.each([
    ["a misspelt verb", ["plna"], /unknown command 'plna'[^]*Did you mean plan\?/],
    [
      "a misspelt flag",
      ["plan", "--detailed-exitcod"],
      /unknown option[^]*Did you mean --detailed-exitcode\?/,
    ],
    ["a missing argument", ["inspect"], /missing required argument 'address'/],
    ["too many arguments", ["validate", "x"], /too many arguments/],
    ["no verb", [], /no verb given/],
    ["an address that is none", ["inspect", "agent:work"], /is no address/],
    ["a bare number as duration", ["prune", "--idle", "5", "--dry-run"], /--idle is "5"[^]*unit/],
    ["a number that is none", ["apply", "--max-destroy", "many"], /--max-destroy is "many"/],
    ["a moment that is none", ["plan", "--at", "tomorrow"], /--at is "tomorrow"/],
    ["nothing to destroy", ["destroy", "--yes"], /nothing is named/],
    ["addresses and --all", ["destroy", "--all", "shared"], /both given/],
    ["nothing to recreate", ["recreate", "--yes"], /nothing is selected/],
    ["a saved plan with a target", ["apply", "plan.json", "--target", "shared"], /carried out as it is/],
    ["a hold without reason", ["hold", "shared"], /needs a reason/],
    [
      "a hold that is over",
      ["hold", "shared", "--reason", "r", "--until", "2001-01-01T00:00:00Z"],
      /in the past/,
    ],
    ["a shell without a terminal", ["shell", "--agent", "a"], /needs a terminal/],
    ["no command to run", ["run", "--agent", "a"], /missing required argument 'command'/],
    ["a timeout without unit", ["run", "--timeout", "3", "--", "ls"], /--timeout is "3"/],
  ])("%s exits 64", async (_, argv, message) => {
    const plain = await cli(argv, here());
    expect(plain).toMatchObject({ code: 64, stdout: "" });
    expect(plain.stderr).toMatch(message);
    const json = await cli([...argv.filter((word) => word !== "--" && word !== "ls"), "--json"], here());
    if (argv.includes("--")) return;
    expect(json.code).toBe(64);
    expect(document(json.stdout)).toEqual({
      error: { code: "USAGE", message: expect.any(String), hint: expect.any(String) },
    });
    expect(json.stderr).toMatch(message);
  });

  test("a verb that does not exist is a usage error, and each name stands for one verb", async () => {
    expect((await cli(["frobnicate"])).code).toBe(64);
    const names = VERBS.flatMap(({ name, alias }) => (alias === undefined ? [name] : [name, alias]));
    expect(names).toEqual([...new Set(names)]);
  });

  test("help and version answer on stdout", async () => {
    const version = await cli(["--version"]);
    expect(version).toMatchObject({ code: 0, stderr: "" });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await cli(["plan", "--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toMatch(/--detailed-exitcode[^]*--state-dir/);
    for (const argv of [
      ["--help"],
      ["-h", "run"],
      ["-qh", "run"],
      ["--log-level", "info", "--help", "run"],
    ]) {
      const { stdout } = await cli(argv);
      for (const { name } of VERBS) expect(stdout).toMatch(new RegExp(`^  ${name}[ |]`, "m"));
    }
  });
});

describe("init", () => {
  test("writes a starter once, with the folder's name and a random id", async () => {
    const first = await cli(["init", "--json"], here());
    expect(first).toMatchObject({ code: 0, stderr: "" });
    const told = document(first.stdout);
    const text = await readFile(join(dir, "sandkeep.toml"), "utf8");
    expect(text).toContain(String(told["fleet_id"]));
    expect(told["fleet"]).toBe(fleetNameOf(dir));
    const second = await cli(["init"], here());
    expect(second.code).toBe(3);
    expect(second.stderr).toMatch(/exists already[^]*--force/);
    expect(await readFile(join(dir, "sandkeep.toml"), "utf8")).toBe(text);
    const forced = await cli(["init", "--force", "--fleet", "mine", "--backend", "docker"], here());
    expect(forced.code).toBe(0);
    const rewritten = await readFile(join(dir, "sandkeep.toml"), "utf8");
    expect(rewritten).toMatch(/^fleet\s+= "mine"$/m);
    expect(rewritten).toMatch(/^backend\s*= "docker"/m);
  });

  test("another format in the folder counts as well, and typing errors are told", async () => {
    await writeFile(join(dir, "sandkeep.json"), "{}");
    expect((await cli(["init"], here())).code).toBe(3);
    expect(await cli(["init", "--backend", "dokcer"], here())).toMatchObject({ code: 64 });
    expect((await cli(["init", "--fleet", "Not A Name"], here())).stderr).toContain("cannot be a fleet name");
  });

  test.each([
    ["/x/My Repo.v2", "my-repo-v2"],
    ["/x/__weird__", "weird"],
    ["/x/日本", "fleet"],
    ["/", "fleet"],
    [`/x/${"a".repeat(50)}`, "a".repeat(32)],
  ])("%s becomes %s", (folder, name) => {
    expect(fleetNameOf(folder)).toBe(name);
  });
});

describe("hold and release", () => {
  test("work from the config's fleet or from --fleet, and answer in JSON", async () => {
    await cli(["init", "--fleet", "team"], here());
    const held = await cli(
      ["hold", "agent/main", "--reason", "look\u001b[2J", "--until", "+2h", "--json"],
      here(),
    );
    expect(held).toMatchObject({ code: 0, stderr: "" });
    expect(document(held.stdout)).toMatchObject({
      address: "agent/main",
      until: expect.stringMatching(/Z$/),
    });
    const released = await cli(["release", "agent/main", "--fleet", "team", "--json"], here());
    expect(document(released.stdout)).toEqual({ address: "agent/main", released: true });
    expect((await cli(["release", "agent/main"], here())).stdout).toBe("agent/main was not held.\n");
    expect((await cli(["hold", "fleet", "--reason", "a\u001b[2Jb"], here())).stdout).toContain("a\\x1b[2Jb");
  });

  test("an invalid config exits 78, with the problems on stderr and a document on stdout", async () => {
    await writeFile(join(dir, "sandkeep.toml"), 'version = 1\nflet = "x"\n');
    const failed = await cli(["hold", "shared", "--reason", "r", "--json"], here());
    expect(failed.code).toBe(78);
    expect(document(failed.stdout)).toMatchObject({
      error: { code: "INVALID_CONFIG" },
      diagnostics: expect.any(Array),
    });
    expect(failed.stderr).toMatch(/sandkeep\.toml:2:1: error:.*flet/);
  });
});

describe("failures", () => {
  test("a bug gets a report without argument values", async () => {
    const given = context(true);
    const error = new TypeError("cannot spawn deploy s3cr3t-argument with hunter2secret");
    expect(await reportFailure(error, given)).toBe(70);
    const { stderr, stdout } = given.streams;
    expect(stderr.text.split(REPORT_TITLE)).toHaveLength(3);
    expect(stderr.text).toMatch(/sandkeep 1\.2\.3, node v[^]*command: run[^]*TypeError[^]* at /);
    expect(stderr.text + stdout.text).not.toMatch(/hunter2secret|s3cr3t-argument/);
    expect(document(stdout.text)).toMatchObject({ error: { code: "INTERNAL" } });
  });
});

describe("saved plans", () => {
  test("are private, come back as they were, and others are refused", async () => {
    const file = join(dir, "plan.json");
    const plan = { ...fullPlan(), plan_id: planId(fullPlan()) };
    await savePlan(plan, file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readPlan(file)).toEqual(plan);
    await writeFile(file, JSON.stringify({ ...plan, changes: plan.changes.slice(1) }));
    await expect(readPlan(file)).rejects.toThrow(/changed after it was made/);
    await writeFile(file, JSON.stringify({ ...plan, format_version: "9.0" }));
    await expect(readPlan(file)).rejects.toThrow(/format is "9\.0"/);
    await writeFile(file, JSON.stringify({ ...plan, changes: 3 }));
    await expect(readPlan(file)).rejects.toThrow(/changes/);
    await writeFile(file, "{");
    expect((await cli(["apply", file, "--json"], here())).code).toBe(64);
    expect((await cli(["apply", join(dir, "none.json")], here())).stderr).toMatch(/ENOENT/);
    await expect(savePlan(fullPlan(), join(dir, "no", "plan.json"))).rejects.toThrow(/cannot write the plan/);
  });
});

describe("answers", () => {
  test("explain keeps the settings at a path or below it", () => {
    expect(settings("docker")[0]).toEqual(["docker.image", "docker.memory"]);
    expect(settings("prune.idle")[0]).toEqual(["prune.idle"]);
    expect(() => settings("docker.imge")).toThrow(/no setting "docker\.imge"/);
  });

  test("a dry run answers as apply does, with a reason an entry and nothing done", () => {
    const result = applyResultSchema.parse(dryRunResult(fullPlan()));
    expect(result.outcomes).toHaveLength(6);
    expect(result.outcomes.every((outcome) => outcome.status === "skipped" && outcome.reason !== "")).toBe(
      true,
    );
    expect(result.calls.write).toBe(0);
  });

  test("variables of a run come from the pair or from this shell, and are never quoted in errors", () => {
    expect(commandEnv(["A=1=2", "B", "C="], { B: "two" })).toEqual({ A: "1=2", B: "two", C: "" });
    expect(() => commandEnv(["MISSING"], {})).toThrow(/no such variable/);
    expect(() => commandEnv(["=hunter2secret"], {})).toThrow(/^(?!.*hunter2)/);
  });
});

describe("completion", () => {
  test("bash knows verbs and their flags", async () => {
    const script = (await cli(["completion", "bash"])).stdout;
    const complete = (words: readonly string[]) => {
      const ask = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _sandkeep; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const shell = spawnSync("bash", ["-c", `${script}\n${ask}`], { encoding: "utf8" });
      expect(shell.stderr).toBe("");
      return shell.stdout.trim().split("\n");
    };
    expect(complete(["sandkeep", "pr"])).toEqual(["prune"]);
    expect(complete(["sandkeep", "-q", "ps", "--ba"])).toEqual(["--backend"]);
    expect(complete(["sandkeep", "plan", "--de"])).toEqual(["--detailed-exitcode"]);
    expect(complete(["sandkeep", "apply", "--stat"])).toEqual(["--state-dir"]);
  });

  test.each(["zsh", "fish"])("%s names every verb and flag", async (shell) => {
    const script = (await cli(["completion", shell])).stdout;
    for (const verb of VERBS) {
      expect(script).toContain(verb.name);
      for (const { flags } of verb.options) expect(script).toContain(/--([a-z-]+)/.exec(flags)?.[1]);
    }
    expect((await cli(["completion", "tcsh"])).code).toBe(64);
  });
});
