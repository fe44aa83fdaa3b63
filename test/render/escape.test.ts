import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderDiagnostics } from "../../src/render/diagnostics.ts";
import { escapeText } from "../../src/render/escape.ts";
import { renderExplanation } from "../../src/render/explain.ts";
import { renderInspection } from "../../src/render/inspection.ts";
import { cells, wrap } from "../../src/render/layout.ts";
import { renderListing } from "../../src/render/listing.ts";
import { renderPlan } from "../../src/render/plan.ts";
import { renderResult } from "../../src/render/result.ts";
import type { Style } from "../../src/render/style.ts";
import { formatAge, formatValue, memberChanges } from "../../src/render/value.ts";
import { explanation, listing, result } from "./answers.ts";
import { fullPlan } from "./plans.ts";

const style: Style = { colour: false, width: 100, unicode: true };
const evil = "a\u001b]0;owned\u0007\u001b[2J\r\n\u202eb\u009b31m\u2028c\ud800";

/** Every string in a value becomes hostile, so that no field can be forgotten; `keep` names what is an enum. */
function poison<T>(value: T, keep: ReadonlySet<string>, key = ""): T {
  if (typeof value === "string") return (keep.has(key) ? value : value + evil) as T;
  if (Array.isArray(value)) return value.map((item) => poison(item, keep, key)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, poison(item, keep, name)]),
  ) as T;
}

const enums = new Set([
  "actions",
  "status",
  "mode",
  "class",
  "workspace",
  "severity",
  "config",
  "kind",
  "layer",
  "scope",
  "verdict",
]);

describe("escaping", () => {
  test.each([
    ["plan", () => renderPlan(poison(fullPlan(), enums), style, { verbose: true })],
    ["explain", () => renderExplanation(poison(explanation(), enums), style)],
    ["list", () => renderListing(poison(listing(), enums), style)],
    ["result", () => renderResult(poison(result(), enums), style)],
    ["diagnostics", () => renderDiagnostics(poison(fullPlan().diagnostics, enums), style)],
    ["inspect", () => renderInspection({ address: evil, labels: { [evil]: evil }, diff: [evil] }, style)],
  ] as const)("no string in a %s reaches the terminal as control", (_, render) => {
    const text = render();
    expect(/[^\n\P{C}]|[\p{Zl}\p{Zp}]/u.exec(text)?.[0]).toBeUndefined();
    expect(text).toContain("\\x1b");
  });

  test("escaping twice changes nothing, and plain text stays", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(escapeText(escapeText(text))).toBe(escapeText(text));
      }),
    );
    expect(escapeText("Größe 日本 🎉 a→b")).toBe("Größe 日本 🎉 a→b");
  });
});

describe("layout", () => {
  test("wrapping loses nothing and keeps within the width", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 300 }),
        fc.integer({ min: 20, max: 90 }),
        (raw, width) => {
          const text = escapeText(raw).replaceAll(/ +/g, " ").trim();
          const lines = wrap(text, width);
          expect(lines.join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
          for (const line of lines) expect(cells(line)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  test("wide characters take two cells, marks none", () => {
    expect([cells("日本"), cells("e\u0301"), cells("🎉"), cells("\u001b[31mred\u001b[39m é")]).toEqual([
      4, 1, 2, 5,
    ]);
  });
});

describe("values", () => {
  test.each([
    ["docker.memory", 2147483648, "2GiB"],
    ["docker.memory_swap", -1, "-1"],
    ["prune.idle", 86_400_000, "1d"],
    ["docker.pids", 512, "512"],
    ["docker.image", "a:b", '"a:b"'],
    ["secrets.X", "(sensitive)", "(sensitive)"],
    ["docker.user", null, "(none)"],
    ["docker.init", true, "true"],
  ])("%s %s", (path, value, text) => {
    expect(formatValue(path, value)).toBe(text);
  });

  test.each([
    [null, ""],
    [0, "0s"],
    [119, "1m"],
    [7_300, "2h"],
    [200_000, "2d"],
  ])("age %s", (seconds, text) => {
    expect(formatAge(seconds)).toBe(text);
  });

  test("lists and tables are told member by member", () => {
    expect(memberChanges(["a", "b"], ["b", "c"], "→")).toEqual([
      { sign: "-", text: '"a"' },
      { sign: "+", text: '"c"' },
    ]);
    expect(memberChanges(["a", "b"], ["b", "a"], "→")).toHaveLength(1);
    expect(memberChanges({ A: "1", B: "2" }, { B: "3", C: "4" }, "→")).toEqual([
      { sign: "-", text: 'A: "1"' },
      { sign: "~", text: 'B: "2" → "3"' },
      { sign: "+", text: 'C: "4"' },
    ]);
    expect(memberChanges("a", ["b"], "→")).toBeUndefined();
  });
});
