import { describe, expect, it } from "vitest";
import { openDocument } from "../../src/config/document.ts";
import type { KeyNode } from "../../src/config/key-tree.ts";
import { scanJson } from "../../src/config/scan-json.ts";
import { scanToml } from "../../src/config/scan-toml.ts";
import { formatKeyPath, type KeyPath } from "../../src/model/source.ts";

function positions(root: KeyNode): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = (node: KeyNode, path: KeyPath): void => {
    for (const [key, child] of node.children ?? []) {
      const { line, column } = child.document.at(child.offset);
      found[formatKeyPath([...path, key])] = `${line}:${column}`;
      visit(child, [...path, key]);
    }
  };
  visit(root, []);
  return found;
}

const toml = (text: string): Readonly<Record<string, string>> =>
  positions(scanToml(openDocument("a.toml", text)).root);
const json = (text: string): Readonly<Record<string, string>> =>
  positions(scanJson(openDocument("a.json5", text)).root);

describe("positions in TOML", () => {
  it.each<[string, string, Record<string, string>]>([
    ["bare and quoted keys", `a = 1\n  "b c" = 2\n'd.e'=3`, { a: "1:1", '"b c"': "2:3", '"d.e"': "3:1" }],
    ["escapes in keys", String.raw`"a\u0062\"" = 1`, { '"ab\\""': "1:1" }],
    ["dotted keys", `a . b."c" = 1\na.d = 2`, { a: "1:1", "a.b": "1:5", "a.b.c": "1:7", "a.d": "2:3" }],
    ["tables", `[a.b]\nc = 1\n[ a ] # x\nd = 2`, { a: "3:3", "a.b": "1:4", "a.b.c": "2:1", "a.d": "4:1" }],
    [
      "arrays of tables",
      `[[a]]\nb = 1\n[[a]]\n[a.c]\nd = 1`,
      { a: "1:3", "a[0]": "1:3", "a[0].b": "2:1", "a[1]": "3:3", "a[1].c": "4:4", "a[1].c.d": "5:1" },
    ],
    [
      "inline tables and arrays",
      `a = { b = [1, { c = 2 }], d.e = "}" }`,
      {
        a: "1:1",
        "a.b": "1:7",
        "a.b[0]": "1:12",
        "a.b[1]": "1:15",
        "a.b[1].c": "1:17",
        "a.d": "1:27",
        "a.d.e": "1:29",
      },
    ],
    [
      "arrays over lines with comments",
      `a = [\n  "x", # ]\n\n  'y',\n]\nb = 1`,
      { a: "1:1", "a[0]": "2:3", "a[1]": "4:3", b: "6:1" },
    ],
    [
      "multi-line strings",
      `a = """\n[x]\ny = "z" \\""" """""\nb = '''\nc = 1'''''\nd = ""\ne = ''`,
      { a: "1:1", b: "4:1", d: "6:1", e: "7:1" },
    ],
    ["dates and carriage returns", `a = 1979-05-27 07:32:00\r\nb = 07:32:00\r\n`, { a: "1:1", b: "2:1" }],
  ])("%s", (_name, text, expected) => {
    expect(toml(text)).toEqual(expected);
  });
});

describe("positions in JSON and JSON5", () => {
  it.each<[string, string, Record<string, string>]>([
    [
      "objects and arrays",
      `{"a": [1, {"b": null}],\n "c": {"d": "}"}}`,
      { a: "1:2", "a[0]": "1:8", "a[1]": "1:11", "a[1].b": "1:12", c: "2:2", "c.d": "2:8" },
    ],
    ["escapes in keys", String.raw`{"a\u0062\n": 1}`, { '"ab\\n"': "1:2" }],
    [
      "what JSON5 adds",
      `// x\n{a: +.5, 'b\\x63': Infinity, /* } */ $d_\\u0065: [0xFF,],\n  f: 'g\\\n}', }`,
      { a: "2:2", bc: "2:10", '"$d_e"': "2:37", '"$d_e"[0]': "2:49", f: "3:3" },
    ],
  ])("%s", (_name, text, expected) => {
    expect(json(text)).toEqual(expected);
  });
});
