import { expect, test } from "vitest";
import { columns } from "../../src/render/layout.ts";
import { renderExplanation } from "../../src/render/explain.ts";
import type { Style } from "../../src/render/style.ts";
import { agent } from "./answers.ts";

const style: Style = { colour: false, width: 60, unicode: true, cwd: "/repo" };
const cell = (text: string) => ({ text });

test("a cell wider than its cap stays whole, and what follows stands below it in its column", () => {
  const rows = [
    ["path", "x".repeat(30), "where it is from"].map(cell),
    ["mode", "all", "built-in"].map(cell),
  ];
  expect(columns(style, rows, 2, [undefined, 10])).toEqual([
    `  path  ${"x".repeat(30)}`,
    "             where it is from",
    "  mode  all  built-in",
  ]);
});

test("a cell wider than the line is broken, and still nothing is lost", () => {
  const rows = [["path", "x".repeat(80), "from"].map(cell), ["mode", "all", "built-in"].map(cell)];
  const lines = columns(style, rows, 2, [undefined, 10]);
  expect(lines.join("").replaceAll(/[^x]/g, "")).toHaveLength(80);
  expect(lines.every((line) => line.length <= style.width)).toBe(true);
});

test("one very long setting leaves the sources of the others on their lines", () => {
  const first = agent("work");
  const source = `/srv/${"a-rather-long-folder-name/".repeat(3)}repo`;
  const settings = {
    ...first.settings,
    "workspace.source": { value: source, layer: "built-in", key: "sandbox.workspace.source", source: null },
  } as const;
  const told = (more: Partial<typeof first>) => {
    const text = renderExplanation(
      { fleet: "team", posture: [], agents: [{ ...first, ...more }], diagnostics: [] },
      {
        ...style,
        width: 140,
      },
    );
    return text.split("\n").filter((line) => /docker\.(image|memory)/.test(line) && / at /.test(line));
  };
  expect(told({ settings })).toHaveLength(2);
  expect(told({ settings }).map((line) => line.length < 140)).toEqual([true, true]);
  expect(told({ settings }).map((line) => line.replaceAll(/ +/g, " "))).toEqual(
    told({}).map((line) => line.replaceAll(/ +/g, " ")),
  );
});
