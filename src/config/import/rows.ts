import type { Diagnostic } from "../../model/diagnostic.ts";
import { type KeyPath, formatKeyPath } from "../../model/source.ts";
import { equalJson } from "../../util/json-path.ts";
import { diagnose } from "../document.ts";
import { type KeyNode, nearestKey } from "../key-tree.ts";
import { type Table, isTable } from "../table.ts";
import { type Aside, type Draft, type Setting, addEntry, append, set } from "./draft.ts";
import type { Shape } from "./shape.ts";

/** What becomes of one source key. */
export type Outcome =
  | {
      readonly sets: readonly Setting[];
      /** Elements for lists that several keys fill. */
      readonly adds?: { readonly path: KeyPath; readonly values: readonly string[] };
      /** The agent that the key declares. */
      readonly agent?: string;
      readonly note?: string;
    }
  /** It has no equal. */
  | { readonly why: string; readonly aside?: Aside };

/** How one source key is read. Rows are data: a key without a row is told as having no equal. */
export interface Row {
  readonly path: readonly string[];
  /** True when the row reads every key of the table at `path`. */
  readonly each: boolean;
  /** True when the row itself decides what to do with values that must not be copied. */
  readonly guardsItself: boolean;
  /** Undefined when the value has another type than `expected`. Absent: somebody else reads this key. */
  readonly read: ((value: unknown, name: string) => Outcome | undefined) | undefined;
  readonly expected: string;
}

export function row<T>(path: readonly string[], shape: Shape<T>, become: (value: T) => Outcome): Row {
  return { ...rowFor(path, shape, become), each: false, guardsItself: false };
}

export function eachRow<T>(
  path: readonly string[],
  shape: Shape<T>,
  become: (value: T, name: string) => Outcome,
): Row {
  return { ...rowFor(path, shape, become), each: true, guardsItself: false };
}

/** A row that is asked even for values that the guard would hold back. */
export function trusted(given: Row): Row {
  return { ...given, guardsItself: true };
}

export function elsewhere(path: readonly string[]): Row {
  return { path, each: false, guardsItself: true, read: undefined, expected: "" };
}

function rowFor<T>(
  path: readonly string[],
  { expected, read }: Shape<T>,
  become: (value: T, name: string) => Outcome,
): Pick<Row, "path" | "read" | "expected"> {
  return {
    path,
    expected,
    read: (value, name) => {
      const known = read(value);
      return known === undefined ? undefined : become(known, name);
    },
  };
}

export interface Walk {
  readonly draft: Draft;
  readonly keys: KeyNode;
  readonly diagnostics: Diagnostic[];
  /** Where the table that the rows describe stands in the source. */
  readonly at: KeyPath;
  readonly rows: readonly Row[];
  /** Why a value must not be copied, or undefined. */
  readonly guard: (value: unknown) => string | undefined;
  /** Why a key has no effect, whatever it holds. */
  readonly veto?: (path: readonly string[]) => string | undefined;
  /** Why a key that no row describes has no equal. */
  readonly rest: (path: readonly string[]) => string;
}

/** Reads every key of a source table once, by its row. */
export function walk(walking: Walk, table: Table, below: readonly string[] = []): void {
  const all = walking.rows.find(({ each, path }) => each && equalJson(path, below));
  for (const [key, value] of Object.entries(table)) {
    const path = [...below, key];
    const found = all ?? walking.rows.find((each) => !each.each && equalJson(each.path, path));
    if (found !== undefined) readKey(walking, found, path, value);
    else if (!isSection(walking.rows, path)) place(walking, path, { why: walking.rest(path) });
    else if (isTable(value)) walk(walking, value, path);
    else wrongType(walking, path, "a table");
  }
}

function readKey(walking: Walk, found: Row, path: readonly string[], value: unknown): void {
  if (found.read === undefined) return;
  const outcome = found.read(value, path.at(-1) ?? "");
  if (outcome === undefined) return wrongType(walking, path, found.expected);
  const vetoed = walking.veto?.(path) ?? (found.guardsItself ? undefined : walking.guard(value));
  place(walking, path, vetoed === undefined ? outcome : { why: vetoed });
}

function place({ draft, keys, at }: Walk, path: readonly string[], outcome: Outcome): void {
  const key = [...at, ...path];
  const node = nearestKey(keys, key);
  settle(draft, formatKeyPath(key), node.document.at(node.offset), outcome);
}

/** Records a source key and writes what became of it. */
export function settle(
  draft: Draft,
  key: string,
  at: { readonly file: string; readonly line: number; readonly column: number },
  outcome: Outcome,
): void {
  const entry = addEntry(draft, key, at);
  if ("why" in outcome) {
    entry.lost = true;
    entry.notes.push(outcome.why);
    if (outcome.aside !== undefined) draft.asides.push(outcome.aside);
    return;
  }
  if (outcome.note !== undefined) {
    entry.changed = true;
    entry.notes.push(outcome.note);
  }
  entry.agent = outcome.agent;
  for (const setting of outcome.sets) set(draft, setting, entry);
  if (outcome.adds !== undefined) append(draft, outcome.adds.path, outcome.adds.values, entry);
}

export function wrongType(
  { keys, diagnostics, at }: Pick<Walk, "keys" | "diagnostics" | "at">,
  path: KeyPath,
  expected: string,
): void {
  const key = [...at, ...path];
  diagnostics.push(
    diagnose(nearestKey(keys, key), {
      code: "wrong-type",
      message: `expected ${expected}`,
      hint: "correct it in the source file; nothing was written",
      path: key,
    }),
  );
}

function isSection(rows: readonly Row[], path: readonly string[]): boolean {
  return rows.some((each) => {
    const isLonger = each.path.length > path.length || (each.each && each.path.length === path.length);
    return isLonger && path.every((part, index) => each.path[index] === part);
  });
}
