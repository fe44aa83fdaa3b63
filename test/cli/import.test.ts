import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { importSchema } from "../../src/config/import/report.ts";
import { cli } from "./streams.ts";

const FLUFFBUZZ = `{
  // comments and trailing commas, as people write them
  agents: { defaults: { sandbox: { mode: "all", docker: { image: "debian:12-slim", env: { API_TOKEN: "hunter22" } } } } },
}`;

let dir = "";
let here: { cwd: string; env: Record<string, string> };
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sandkeep-import-"));
  await mkdir(join(dir, "Team Box"));
  here = {
    cwd: join(dir, "Team Box"),
    env: { SANDKEEP_STATE_DIR: join(dir, "state"), HOME: join(dir, "home") },
  };
  await writeFile(join(here.cwd, "fluffbuzz.json"), FLUFFBUZZ);
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

const written = () => readFile(join(here.cwd, "sandkeep.toml"), "utf8");

describe("import", () => {
  test("prints a config that validate accepts, and a summary beside it", async () => {
    const { code, stdout, stderr } = await cli(["import", "fluffbuzz.json"], here);
    expect(code).toBe(0);
    expect(stdout).toContain('fleet = "team-box"');
    expect(stderr).toMatch(/^fluffbuzz: 2 keys mapped, 1 changed in meaning, 0 without an equal/);
    await writeFile(join(here.cwd, "sandkeep.toml"), stdout);
    expect(await cli(["validate", "-q"], here)).toMatchObject({ code: 0, stdout: "The config is valid.\n" });
  });

  test("writes a file once, and over an existing one only when told to", async () => {
    const argv = ["import", "fluffbuzz.json", "--out", "sandkeep.toml"];
    const first = await cli(argv, here);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toMatch(/^Wrote sandkeep\.toml\.\nfluffbuzz: /);
    await writeFile(join(here.cwd, "sandkeep.toml"), "mine");
    const second = await cli(argv, here);
    expect(second.code).toBe(3);
    expect(second.stderr).toMatch(/exists already \[CONFIG_EXISTS\][^]*--force/);
    expect(await written()).toBe("mine");
    expect((await cli([...argv, "--force"], here)).code).toBe(0);
    expect(await written()).toContain("version = 1");
  });

  test("answers with one document, which holds no credential", async () => {
    const { code, stdout } = await cli(["import", "--json", "--fleet", "box", "fluffbuzz.json"], here);
    expect(code).toBe(0);
    expect(stdout).not.toContain("hunter22");
    const document = JSON.parse(stdout) as Record<string, unknown>;
    expect(Object.keys(document)).toEqual(["product", "mapped", "changed", "unmapped", "defaults", "text"]);
    expect(document).toMatchObject({
      product: "fluffbuzz",
      mapped: [{ key: "agents.defaults.sandbox.mode", line: 3, column: 36, to: ["sandbox.mode"] }, {}],
      changed: [{ key: "agents.defaults.sandbox.docker.env.API_TOKEN", to: ["sandbox.secrets.API_TOKEN"] }],
      unmapped: [],
    });
    expect(importSchema.parse(document)).toEqual(document);
    expect(document["text"]).toContain('fleet = "box"');
  });

  test.each([
    ["an engine is asked", 'backend = "docker"\ndocker = { image = "a" }', true],
    ["no engine is", 'backend = "local"', false],
  ])("points at what the tool left only where %s", async (_name, keys, isTold) => {
    await writeFile(join(here.cwd, "bmo.toml"), `[options.sandbox]\n${keys}`);
    const { code, stderr } = await cli(["import", "bmo.toml"], here);
    expect([code, stderr.includes("`sandkeep list --all` shows")]).toEqual([0, isTold]);
    await writeFile(join(here.cwd, "off.json"), FLUFFBUZZ.replace('"all"', '"off"'));
    expect((await cli(["import", "off.json"], here)).stderr).not.toContain("list --all");
  });

  test("comments out what this machine must not hand out", async () => {
    await writeFile(
      join(here.cwd, "bmo.toml"),
      `[options.sandbox]\nbackend = "docker"\ndocker = { image = "a", extra_args = ["-v=${dir}/home/.ssh:/keys", "-v=./src:/src2"] }`,
    );
    const { code, stdout } = await cli(["import", "bmo.toml"], here);
    expect(code).toBe(0);
    expect(stdout).toMatch(/ {2}# refused: .*\n(?: {2}#.*\n)* {2}# ".*\/\.ssh:\/keys",\n/);
    expect(stdout).toContain('\n  "./src:/src2",\n');
  });
});

describe("import writes nothing", () => {
  test.each<[string, string, readonly string[], number, RegExp]>([
    [
      "from a file with problems",
      "{ agents: { defaults: { sandbox: { mode: 1 } } } }",
      [],
      78,
      /f\.json:1:36: error: expected one of "off"/,
    ],
    ["from a file of nobody", "{}", [], 78, /cannot tell which tool/],
    ["from bad JSON5", "{ agents: }", [], 78, /f\.json:1:11: error: not valid JSON/],
    ["for a tool it does not know", "{}", ["--from", "flufbuzz"], 64, /Did you mean fluffbuzz\?/],
    [
      "for a fleet without a name",
      "{}",
      ["--from", "fluffbuzz", "--fleet", "No!"],
      64,
      /cannot be a fleet name/,
    ],
  ])("%s", async (_name, text, flags, code, told) => {
    await writeFile(join(here.cwd, "f.json"), text);
    const ran = await cli(["import", "f.json", "--out", "sandkeep.toml", ...flags], here);
    expect(ran.code).toBe(code);
    expect(ran.stderr).toMatch(told);
    await expect(written()).rejects.toThrow("ENOENT");
  });

  test("from what is no file", async () => {
    for (const [name, told] of [
      ["absent.json", /absent\.json does not exist/],
      [".", /is a folder/],
    ] as const) {
      const ran = await cli(["import", name, "--out", "sandkeep.toml"], here);
      expect(ran).toMatchObject({ code: 78, stdout: "" });
      expect(ran.stderr).toMatch(told);
    }
  });

  test("over the file it reads, by any name, and to what is no TOML", async () => {
    await symlink(join(here.cwd, "fluffbuzz.json"), join(here.cwd, "link.toml"));
    for (const out of ["fluffbuzz.json", "link.toml", "out.json"]) {
      const ran = await cli(["import", "fluffbuzz.json", "--force", "--out", out], here);
      expect(ran).toMatchObject({ code: 64, stdout: "" });
    }
    expect(await readFile(join(here.cwd, "fluffbuzz.json"), "utf8")).toBe(FLUFFBUZZ);
  });
});
