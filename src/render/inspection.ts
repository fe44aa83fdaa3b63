import type { Json, JsonObject } from "../model/json.ts";
import type { Cell } from "./layout.ts";
import { columns, joinBlocks, paragraph } from "./layout.ts";
import type { Style } from "./style.ts";
import { formatValue } from "./value.ts";

const TITLES: readonly (readonly [key: string, title: string])[] = [
  ["runtime", "Runtime"],
  ["diff", "Difference between what is wanted and what is there"],
  ["spec", "Wanted"],
  ["observed", "Observed"],
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

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
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
      return [...heading, ...columns(style, leaves(value, "", 0), 2)];
    }),
  ]);
}
