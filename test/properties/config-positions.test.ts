import fc from "fast-check";
import json5 from "json5";
import { parse, stringify } from "smol-toml";
import { expect, it } from "vitest";
import { openDocument } from "../../src/config/document.ts";
import type { KeyNode } from "../../src/config/key-tree.ts";
import { parseConfigText } from "../../src/config/index.ts";
import { scanJson } from "../../src/config/scan-json.ts";
import { scanToml } from "../../src/config/scan-toml.ts";
import { isTable } from "../../src/config/table.ts";

type Path = readonly (string | number)[];

const key = fc.oneof(
  fc.constantFrom("a", "b", "sandbox", "x-y", "1", "", "a.b", "é", "[x]", "#", '"', "'", "=", "\\", "\n"),
  fc.string({ maxLength: 6, unit: "binary" }),
);
const plainKey = key.filter((text) => !["__proto__", "constructor", "prototype"].includes(text));

const value = fc.letrec((tie) => ({
  scalar: fc.oneof(
    fc.integer(),
    fc.boolean(),
    fc.string({ unit: "grapheme" }),
    fc.constantFrom("[a]", "b = 1", "}", '"""', "'''", "# x", "\\", "/* */", "a\nb = 2"),
  ),
  list: fc.array(tie("any"), { maxLength: 4 }),
  table: fc.dictionary(plainKey, tie("any"), { maxKeys: 4 }),
  any: fc.oneof({ depthSize: "small" }, tie("scalar"), tie("list"), tie("table")),
}));

function pathsOf(item: unknown, path: Path = []): readonly string[] {
  const entries: readonly (readonly [string | number, unknown])[] = Array.isArray(item)
    ? [...item.entries()]
    : isTable(item)
      ? Object.entries(item)
      : [];
  return entries.flatMap(([name, child]) => {
    const here = [...path, name];
    return [JSON.stringify(here), ...pathsOf(child, here)];
  });
}

function nodesOf(node: KeyNode, path: Path = []): readonly (readonly [Path, KeyNode])[] {
  return [...(node.children ?? [])].flatMap(([name, child]) => {
    const here = [...path, name];
    return [[here, child] as const, ...nodesOf(child, here)];
  });
}

/** The scanner knows exactly the parser's keys, and each position is where the key's text begins. */
function expectAgreement(
  root: KeyNode,
  text: string,
  parsed: unknown,
  readKey: (text: string) => string,
): void {
  const nodes = nodesOf(root);
  expect(nodes.map(([path]) => JSON.stringify(path)).toSorted()).toEqual([...pathsOf(parsed)].toSorted());
  for (const [path, node] of nodes) {
    const last = path.at(-1);
    if (typeof last === "string") expect(readKey(text.slice(node.offset))).toBe(last);
    else expect(text.slice(node.offset, node.offset + 1)).toMatch(/\S/);
  }
}

const TOML_KEY = /^(?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[A-Za-z0-9_-]+)/;
const JSON_KEY = /^(?:"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'|[^\s:'"]+)/;

function readTomlKey(text: string): string {
  return Object.keys(parse(`${TOML_KEY.exec(text)?.[0]} = 1`))[0] ?? "no key";
}

function readJsonKey(text: string): string {
  return Object.keys(json5.parse<object>(`{${JSON_KEY.exec(text)?.[0]}: 1}`))[0] ?? "no key";
}

it("TOML as a library writes it: every key, each at its text", () => {
  fc.assert(
    fc.property(fc.dictionary(plainKey, value.any, { maxKeys: 5 }), (table) => {
      const text = stringify(table);
      expectAgreement(scanToml(openDocument("a.toml", text)).root, text, parse(text), readTomlKey);
    }),
  );
});

const tomlKey = fc.constantFrom("a", "b", "c", "d", '"a"', "'b'", '"c\\u0064"', '"x y"', "a.b", "b . c", "1");
const tomlValue = fc.constantFrom(
  "1",
  "-0x1f",
  "1979-05-27 07:32:00Z",
  "07:32:00",
  "true",
  "[]",
  "{}",
  '"]"',
  "'\"'",
  '"""\n[a]\nb = "1" \\""" """"',
  "'''\nc = [1]'''''",
  "[1, [2, 3], { a = 1 }]",
  "[ # x = [\n  'y',\n\n  { b.c = 1, d = [1] }, # ]\n]",
  '{ a = { b = 1 }, "c d" = "}", e.f = [{}] }',
);
const tomlLine = fc.oneof(
  fc.tuple(tomlKey, tomlValue).map(([name, item]) => `${name} = ${item} # end`),
  tomlKey.map((name) => `[${name}]`),
  tomlKey.map((name) => `  [[ ${name} ]]  # end`),
  fc.constantFrom("", "# a = 1", "\t"),
);

it("TOML as people write it: whatever the parser accepts, the scanner knows", () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(tomlLine, { maxLength: 8 }), fc.constantFrom("\n", "\r\n"), (all, newline) => {
      const text = all.join(newline);
      const scan = scanToml(openDocument("a.toml", text));
      let parsed: unknown;
      try {
        parsed = parse(text);
      } catch {
        return;
      }
      accepted++;
      expectAgreement(scan.root, text, parsed, readTomlKey);
    }),
    { numRuns: 2_000 },
  );
  expect(accepted).toBeGreaterThan(300);
});

it("JSON and JSON5: every key, each at its text", () => {
  const style = fc.record({
    space: fc.constantFrom(undefined, 1, "\t"),
    quote: fc.constantFrom("'", '"'),
    isJson5: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.dictionary(plainKey, value.any, { maxKeys: 5 }), style, (table, how) => {
      const text = how.isJson5
        ? `// {\n${json5.stringify(table, { space: how.space ?? null, quote: how.quote })}/* } */`
        : JSON.stringify(table, undefined, how.space);
      const scan = scanJson(openDocument("a.json5", text));
      expectAgreement(scan.root, text, json5.parse(text), readJsonKey);
      expect(scan.diagnostics).toEqual([]);
      if (!how.isJson5) expect(scan.json5At).toBeUndefined();
    }),
  );
});

it("any text is read or refused with a place inside it, in every format", async () => {
  const noise = fc.array(
    fc.oneof(
      fc.constantFrom(
        ..."[]{}=:,.\"'#\\/\n \t0a-_".split(""),
        '"""',
        "'''",
        "//",
        "/*",
        "[[",
        "a = ",
        "\r\n",
      ),
      fc.string({ maxLength: 3, unit: "binary" }),
    ),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(noise, fc.constantFrom("toml", "json", "json5"), async (tokens, format) => {
      const text = tokens.join("");
      const outcome = await parseConfigText(`a.${format}`, text, ["local"]);
      // No noise has version and fleet.
      expect(outcome.ok).toBe(false);
      expect(outcome.diagnostics.length).toBeGreaterThan(0);
      const lengths = text.split("\n").map((line) => line.length);
      for (const { line = 0, column = 0, hint, message } of outcome.diagnostics) {
        expect(lengths[line - 1]).toBeGreaterThanOrEqual(column - 2);
        expect(column).toBeGreaterThanOrEqual(1);
        expect(`${message}${hint}`).not.toMatch(/undefined|\n/);
      }
    }),
    { numRuns: 2_000 },
  );
});
