import type { Json, JsonObject } from "../model/json.ts";
import { isList, isTable } from "../model/json.ts";
import type { Cell } from "./layout.ts";
import { columns, joinBlocks, paragraph } from "./layout.ts";
import type { Style } from "./style.ts";
import { formatValue } from "./value.ts";

const TITLES: readonly (readonly [key: string, title: string])[] = [
  ["runtime", "Runtime"],
  ["would", "What the next apply would do"],
  ["diff", "Difference between what is wanted and what is there"],
  ["spec", "Wanted"],
  ["observed", "Observed"],
  ["attested", "Seen from inside"],
  ["labels", "Labels"],
  ["open_runs", "Open runs"],
  ["history", "History"],
];

const DEEPEST = 6;

/** Every leaf with its dotted path; empty tables and lists stay visible. */
function leaves(value: Json | undefined, path: string, depth: number): Cell[][] {
  if (typeof value === "object" && value !== null && depth < DEEPEST) {
    const members = Array.isArray(value)
      ? value.map((item, index) => [`[${index}]`, item] as const)
      : Object.entries(value).map(([key, member]) => [path === "" ? key : `.${key}`, member] as const);
    if (members.length > 0) return members.flatMap(([key, member]) => leaves(member, path + key, depth + 1));
  }
  if (value === undefined) return [];
  return [[{ text: path }, { text: formatValue(path, value) }]];
}

/** A list of like tables, one row each below the names of their keys; undefined for anything else. */
function rows(value: Json): Cell[][] | undefined {
  if (!isList(value) || !value.every(isTable)) return undefined;
  const keys = [...new Set(value.flatMap((row) => Object.keys(row)))];
  return [
    keys.map((key) => ({ text: key, tone: "dim" })),
    ...value.map((row) => keys.map((key) => ({ text: memberText(row, key) }))),
  ];
}

function memberText(row: JsonObject, key: string): string {
  const found = row[key];
  if (found === undefined) return "";
  return typeof found === "string" ? found : formatValue(leafPath(row, key), found);
}

/** Values of a difference have the unit of the field they belong to. */
function leafPath(row: JsonObject, key: string): string {
  const path = row["path"];
  return typeof path === "string" ? path : key;
}

/** One runtime in full: what is wanted, what is there, the difference, labels, runs and history. */
export function renderInspection(inspection: JsonObject, style: Style): string {
  const address = inspection["address"];
  return joinBlocks([
    paragraph(style, typeof address === "string" ? address : "Runtime", { tone: "strong" }),
    ...TITLES.map(([key, title]) => {
      const value = inspection[key];
      if (value === undefined) return [];
      const heading = paragraph(style, title, { tone: "strong" });
      if (value === null || (isList(value) && value.length === 0)) {
        return [...heading, ...paragraph(style, "none", { indent: 2, tone: "dim" })];
      }
      return [...heading, ...columns(style, rows(value) ?? leaves(value, "", 0), 2)];
    }),
  ]);
}
