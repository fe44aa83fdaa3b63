import { describe, expect, test } from "vitest";
import type { Env, Globals } from "../../src/cli/globals.ts";
import { GLOBAL_FLAGS, readGlobals, wantsJson } from "../../src/cli/globals.ts";
import type { Parsed } from "../../src/cli/program.ts";
import { makeProgram } from "../../src/cli/program.ts";

function parse(argv: readonly string[]): Parsed {
  let parsed: Parsed | undefined;
  const nothing = { out: () => undefined, err: () => undefined };
  makeProgram("0", nothing, (chosen) => {
    parsed = chosen;
  }).parse(argv, { from: "user" });
  if (parsed === undefined) throw new Error("no verb was chosen");
  return parsed;
}

const globals = (argv: readonly string[], env: Env = {}): Globals => readGlobals(parse(argv).options, env);

/** Flag words, its environment twin, and what both must come to. */
const CASES: readonly (readonly [flag: readonly string[], twin: Env, expected: Partial<Globals>])[] = [
  [["--file", "a.toml"], { SANDKEEP_FILE: "a.toml" }, { file: "a.toml" }],
  [["--fleet", "team"], { SANDKEEP_FLEET: "team" }, { fleet: "team" }],
  [["--state-dir", "/s"], { SANDKEEP_STATE_DIR: "/s" }, { stateDir: "/s" }],
  [["--json"], { SANDKEEP_JSON: "1" }, { json: true }],
  [
    ["--target", "shared", "--target", "agent/a,agent/b"],
    { SANDKEEP_TARGET: "shared, agent/a,agent/b" },
    { targets: ["shared", "agent/a", "agent/b"] },
  ],
  [["--log-level", "debug"], { SANDKEEP_LOG_LEVEL: "debug" }, { logLevel: "debug" }],
  [["--log-format", "json"], { SANDKEEP_LOG_FORMAT: "json" }, { logFormat: "json" }],
  [["--no-color"], { SANDKEEP_NO_COLOR: "true" }, { colour: false }],
  [["-q"], { SANDKEEP_QUIET: "yes" }, { quiet: true }],
];

describe("global flags", () => {
  test("every flag has a case here", () => {
    const twins = CASES.flatMap(([, twin]) => Object.keys(twin));
    expect(twins.toSorted()).toEqual(GLOBAL_FLAGS.map((flag) => flag.env).toSorted());
  });

  test.each(CASES)("%j means the same before the verb, after it, and as %j", (flag, twin, expected) => {
    const before = globals([...flag, "plan"]);
    expect(before).toMatchObject(expected);
    expect(globals(["plan", ...flag])).toEqual(before);
    expect(globals(["plan"], twin)).toEqual(before);
    expect(globals(["plan"])).not.toMatchObject(expected);
  });

  test("a flag wins over its twin", () => {
    expect(globals(["plan", "-f", "mine"], { SANDKEEP_FILE: "theirs" }).file).toBe("mine");
    expect(globals(["plan", "--target", "shared"], { SANDKEEP_TARGET: "agent/a" }).targets).toEqual([
      "shared",
    ]);
  });

  test.each(["0", "false", "no", ""])("a switch set to %j is off", (value) => {
    expect(globals(["plan"], { SANDKEEP_JSON: value, SANDKEEP_NO_COLOR: value })).toMatchObject({
      json: false,
      colour: true,
    });
  });

  test("a misspelt switch or choice is a usage error", () => {
    expect(() => globals(["plan"], { SANDKEEP_JSON: "ja" })).toThrow(/SANDKEEP_JSON/);
    expect(() => globals(["plan", "--log-level", "loud"])).toThrow(/--log-level is "loud"/);
  });

  test("what follows -- is the command's", () => {
    const parsed = parse(["run", "--agent", "a", "--", "ls", "--json", "-q"]);
    expect(parsed.args).toEqual(["ls", "--json", "-q"]);
    expect(readGlobals(parsed.options, {})).toMatchObject({ json: false, quiet: false });
    expect([wantsJson(["run", "--", "--json"], {}), wantsJson(["plan", "--json"], {})]).toEqual([
      false,
      true,
    ]);
  });
});
