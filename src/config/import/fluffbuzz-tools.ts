import type { KeyPath } from "../../model/source.ts";
import { valueAt } from "../table.ts";
import { type Outcome, type Row, eachRow, row } from "./rows.ts";
import { FLAG, TEXTS, TEXTS_OR_NUMBERS } from "./shape.ts";

/** What that tool denies while its deny list is not set, whatever its empty allow list lets through. */
const DENIED: readonly string[] = [
  "browser",
  "canvas",
  "computer",
  "mobile_ui",
  "nodes",
  "automations",
  "gateway",
  "group:channels",
];

export interface ToolsTarget {
  /** Where the tables are written: `tools`, or `agents.NAME.tools`. */
  readonly prefix: KeyPath;
  /** The `tools` table itself, and for an agent the file's. */
  readonly table: unknown;
  readonly fleet: unknown;
}

const LISTS = ["sandbox", "tools"] as const;

/** Rows of a `tools` table. */
export function toolsRows({ prefix, table, fleet }: ToolsTarget): readonly Row[] {
  const list = (name: string): KeyPath => [...prefix, "sandbox", name];
  const said = (name: string): unknown =>
    valueAt(table, [...LISTS, name]) ?? valueAt(fleet, [...LISTS, name]);
  const isAgent = fleet !== undefined;
  return [
    row([...LISTS, "allow"], TEXTS, (value) =>
      value.length > 0
        ? { sets: [{ path: list("allow"), value, keepEmpty: true }] }
        : allowAll(list, said("deny") === undefined, said("alsoAllow")),
    ),
    row([...LISTS, "deny"], TEXTS, (value) => ({ sets: [{ path: list("deny"), value }] })),
    row([...LISTS, "alsoAllow"], TEXTS, (value) => ({
      sets: [{ path: list("also_allow"), value }],
      ...(isAgent && valueAt(fleet, [...LISTS, "alsoAllow"]) !== undefined
        ? { note: "it adds to the fleet's list, where it replaced that one" }
        : {}),
    })),
    row(["elevated", "enabled"], FLAG, (value) => ({
      sets: [{ path: [...prefix, "elevated", "enabled"], value }],
    })),
    eachRow(["elevated", "allowFrom"], TEXTS_OR_NUMBERS, (value, channel) => ({
      sets: [{ path: [...prefix, "elevated", "allow_from", channel], value: value.map(String) }],
    })),
  ];
}

/** There an empty list allows everything; here it allows nothing. */
function allowAll(list: (name: string) => KeyPath, needsDeny: boolean, alsoAllow: unknown): Outcome {
  const kept = Array.isArray(alsoAllow) ? alsoAllow : [];
  const denied = DENIED.filter((tool) => !kept.includes(tool));
  return {
    sets: [
      { path: list("allow"), value: ["*"], keepEmpty: true },
      ...(needsDeny ? [{ path: list("deny"), value: denied }] : []),
    ],
    note: needsDeny
      ? "an empty list allows everything there and nothing here; what it denies all the same is written as deny"
      : "an empty list allows everything there and nothing here",
  };
}
