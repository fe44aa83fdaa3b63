import { describe, expect, it } from "vitest";
import type { Product } from "../../../src/config/import/report.ts";
import { lines } from "../folder.ts";
import { importText } from "./scene.ts";

async function problems(name: string, text: string, from?: Product): Promise<readonly string[]> {
  const outcome = await importText(name, text, from);
  return outcome.ok ? ["imported"] : lines(outcome.diagnostics);
}

describe("a file that cannot be read gets its place told", () => {
  it.each<[string, string, string, readonly RegExp[]]>([
    [
      "bad JSON5",
      "f.json",
      "{\n  agents: {,} }",
      [/^f\.json:2:12 error syntax .*not valid JSON: invalid character ','/],
    ],
    [
      "bad TOML",
      "b.toml",
      "[options]\nsandbox_mode = direct",
      [/^b\.toml:2:\d+ error syntax .*not valid TOML/],
    ],
    [
      "an unended text",
      "f.json",
      '{ agents: { defaults: { sandbox: { mode: "all } } } }',
      [/^f\.json:1:\d+ error syntax/],
    ],
    ["deep JSON5", "f.json", "{a:".repeat(100_000), [/^f\.json:1:\d+ error too-deep/]],
    ["deep TOML", "b.toml", `a = ${"[".repeat(100_000)}`, [/^b\.toml:1:\d+ error too-deep/]],
    ["a NUL", "b.toml", "a = 1\n\0", [/^b\.toml:2:1 error invalid-text/]],
    ["a list", "f.json", "{}[]", [/^f\.json:1:3 error syntax/]],
    [
      "a key set twice",
      "f.json",
      "{ agents: { list: [] },\n agents: {} }",
      [/^f\.json:2:2 error duplicate-key/],
    ],
    [
      "a reserved key",
      "f.json",
      "{ agents: { entries: { __proto__: {} } } }",
      [/^f\.json:1:24 error reserved-key/],
    ],
    ["nothing", "f.json", "", [/^f\.json:1:1 error unknown-product/]],
    [
      "keys of nobody",
      "x.toml",
      "[server]\nport = 1",
      [
        /looked for openclaw: .*; fluffbuzz: agents\.defaults, .*; bmo: options\.sandbox.*; bmux: sandbox\.cleanup \| name the tool with --from$/,
      ],
    ],
    [
      "keys of two tools",
      "x.toml",
      "[options.sandbox]\n[sandbox.cleanup]",
      [/^x\.toml:1:1 error unknown-product : this file could belong to bmo and bmux/],
    ],
  ])("%s", async (_name, file, text, expected) => {
    const told = await problems(file, text);
    expect(told).toHaveLength(expected.length);
    for (const [index, pattern] of expected.entries()) expect(told[index]).toMatch(pattern);
  });
});

it("every wrong type is told at once, with its place and without its value", async () => {
  const text = `{
  agents: {
    defaults: { sandbox: {
      mode: "sometimes",
      scope: 3,
      docker: { image: ["secret"], binds: "x", cpus: "two", env: { A: 1 }, ulimits: { nofile: {} }, memory: null },
      prune: [],
    } },
    list: [{ sandbox: { docker: 5 } }, "main", { id: "a" }, { id: "a" }],
    entries: { b: 1, c: { tools: { sandbox: { tools: { allow: "all" } } } } },
  },
  tools: { elevated: { allowFrom: { chat: "me" }, enabled: "yes" } },
}`;
  const told = await problems("f.json", text);
  expect(told.map((line) => line.replace(/ \|.*/, "").replace("f.json:", ""))).toEqual([
    '4:7 error wrong-type agents.defaults.sandbox.mode: expected one of "off", "non-main", "all"',
    '5:7 error wrong-type agents.defaults.sandbox.scope: expected one of "session", "agent", "shared"',
    "6:17 error wrong-type agents.defaults.sandbox.docker.image: expected a text",
    "6:36 error wrong-type agents.defaults.sandbox.docker.binds: expected a list of texts",
    "6:48 error wrong-type agents.defaults.sandbox.docker.cpus: expected a number",
    "6:68 error wrong-type agents.defaults.sandbox.docker.env.A: expected a text",
    "6:87 error wrong-type agents.defaults.sandbox.docker.ulimits.nofile: expected a number, a text, or { soft, hard }",
    "6:101 error wrong-type agents.defaults.sandbox.docker.memory: expected a text or a number",
    "7:7 error wrong-type agents.defaults.sandbox.prune: expected a table",
    "9:12 error wrong-type agents.list[0].id: expected the agent's id, a text",
    "9:40 error wrong-type agents.list[1]: expected a table",
    '9:63 error duplicate-agent agents.list[3].id: an agent "a" is already declared in this file',
    "10:16 error wrong-type agents.entries.b: expected a table",
    "10:56 error wrong-type agents.entries.c.tools.sandbox.tools.allow: expected a list of texts",
    "12:37 error wrong-type tools.elevated.allowFrom.chat: expected a list of texts or numbers",
    "12:51 error wrong-type tools.elevated.enabled: expected true or false",
  ]);
});

it.each<[string, Product, readonly RegExp[]]>([
  ["[options]\nsandbox_mode = 1", "bmo", [/2:1 error wrong-type options\.sandbox_mode/]],
  [
    '[options.sandbox.docker]\nextra_args = "-v"',
    "bmo",
    [/2:1 error wrong-type .*extra_args: expected a list of texts/],
  ],
  [
    '[options.sandbox.docker]\nextra_args = ["-v",\n 3]',
    "bmo",
    [/3:2 error wrong-type .*extra_args\[1\]: expected a text/],
  ],
  [
    '[sandbox.cleanup]\nolder_than_secs = -1\nsource = "x"',
    "bmux",
    [/2:1 .*whole number of at least 0/, /3:1 .*one of "all"/],
  ],
  ["sandbox = 1", "bmux", [/1:1 error wrong-type sandbox: expected a table/]],
  ["options = []", "bmo", [/1:1 error wrong-type options: expected a table/]],
])("%s is refused for %s", async (text, from, expected) => {
  const told = await problems("a.toml", text, from);
  expect(told).toHaveLength(expected.length);
  for (const [index, pattern] of expected.entries()) expect(told[index]).toMatch(pattern);
});

it("a file of many thousand keys takes no longer than anybody waits", async () => {
  const env = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`V${index}`, "x"]));
  const binds = Array.from({ length: 3_000 }, (_, index) => `/etc:/b${index}`);
  const text = JSON.stringify({ agents: { defaults: { sandbox: { docker: { env, binds } } } } });
  const outcome = await importText("f.json", text);
  expect(outcome.ok && [outcome.mapped.length, outcome.unmapped.length]).toEqual([20_000, 1]);
}, 120_000);
