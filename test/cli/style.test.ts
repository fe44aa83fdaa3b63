import { describe, expect, test } from "vitest";
import { readGlobals } from "../../src/cli/globals.ts";
import { styleFor } from "../../src/cli/invocation.ts";
import { Sink } from "./streams.ts";

function style(
  tty: boolean,
  env: Record<string, string>,
  flags: Record<string, unknown> = {},
  columns?: number,
) {
  const stream = columns === undefined ? new Sink(tty) : Object.assign(new Sink(tty), { columns });
  return styleFor({ globals: readGlobals(flags, env), env, cwd: "/repo" }, stream);
}

describe("colour", () => {
  test.each([
    ["a terminal", true, {}, {}, true],
    ["a pipe", false, {}, {}, false],
    ["NO_COLOR", true, { NO_COLOR: "1" }, {}, false],
    ["an empty NO_COLOR", true, { NO_COLOR: "" }, {}, true],
    ["--no-color", true, { FORCE_COLOR: "1" }, { color: false }, false],
    ["SANDKEEP_NO_COLOR", true, { SANDKEEP_NO_COLOR: "1" }, {}, false],
    ["FORCE_COLOR on a pipe", false, { FORCE_COLOR: "1" }, {}, true],
    ["FORCE_COLOR=0", true, { FORCE_COLOR: "0" }, {}, false],
    ["a dumb terminal", true, { TERM: "dumb" }, {}, false],
  ])("%s", (_, tty, env, flags, colour) => {
    expect(style(tty, env, flags).colour).toBe(colour);
  });
});

describe("width", () => {
  test("follows the terminal, then COLUMNS, then a fixed one for logs", () => {
    expect(style(true, { COLUMNS: "70" }, {}, 90).width).toBe(90);
    expect(style(false, { COLUMNS: "70" }).width).toBe(70);
    expect(style(false, { COLUMNS: "wide" }).width).toBe(120);
    expect(style(true, {}, {}, 5).width).toBe(40);
  });
});

describe("unicode", () => {
  test.runIf(process.platform === "linux")("only where the terminal's locale has it; files always do", () => {
    expect(style(true, { LANG: "C" }).unicode).toBe(false);
    expect(style(true, { LANG: "de_DE.UTF-8" }).unicode).toBe(true);
    expect(style(true, { LANG: "de_DE.UTF-8", LC_ALL: "C" }).unicode).toBe(false);
    expect(style(true, { LANG: "C.utf8", TERM: "linux" }).unicode).toBe(false);
    expect(style(false, { LANG: "C" }).unicode).toBe(true);
  });
});
