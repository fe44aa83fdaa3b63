import type { Json, JsonObject } from "../model/json.ts";
import type { Layer, Provenance } from "../model/settings.ts";
import type { KeyPath, Source } from "../model/source.ts";
import { isList, isTable } from "../model/json.ts";
import { NAMED_TABLES, bindTarget } from "./merge.ts";
import { canonicalTarget } from "./paths.ts";

/** A `[sandbox]` table as somebody wrote it, and where it stands. */
export interface WrittenTable {
  readonly layer: Exclude<Layer, "built-in">;
  readonly prefix: KeyPath;
  readonly table: JsonObject;
}

/**
 * Who said the value at a settings path (`docker.image`, `env.LANG`, `docker.binds[/data]`, `docker.dns[0]`):
 * the first of `tables` that has it. Works only when asked, since most values are never asked about.
 */
export function provenanceOf(
  path: string,
  tables: readonly WrittenTable[],
  locate: (key: KeyPath) => Source | undefined,
): Provenance {
  const parts = splitPath(path);
  for (const { layer, prefix, table } of tables) {
    const found = find(table, parts);
    if (found === undefined) continue;
    const key = [...prefix, ...found];
    const source = locate(key) ?? locate(key.slice(0, -1));
    return { layer, key, ...(source === undefined ? {} : { source }) };
  }
  const plain = parts.filter((part) => !part.inList).map((part) => part.text);
  return { layer: "built-in", key: ["sandbox", ...plain] };
}

interface PathPart {
  readonly text: string;
  /** Written in brackets: an index, or the target of a bind. */
  readonly inList: boolean;
}

const PART = /\[([^\]]*)\]|"((?:[^"\\]|\\.)*)"|([^.[\]"]+)/g;

function splitPath(path: string): readonly PathPart[] {
  return [...path.matchAll(PART)].map(([, bracket, quoted, bare]) =>
    bracket === undefined
      ? { text: bare ?? (quoted ?? "").replace(/\\(.)/g, "$1"), inList: false }
      : { text: bracket, inList: true },
  );
}

/** The key path below a table that decides a value; undefined when this table has no say in it. */
function find(table: JsonObject, parts: readonly PathPart[]): KeyPath | undefined {
  const path: (string | number)[] = [];
  let value: Json | undefined = table;
  let whole = false;
  for (const part of parts) {
    if (isList(value)) {
      const index = indexOf(value, part.text);
      // A list without the bind has no say in it; any other list replaces what is below it altogether.
      if (index === undefined) return part.text.startsWith("/") ? undefined : path;
      path.push(index);
      value = value[index];
      continue;
    }
    if (!isTable(value)) return path;
    const next: Json | undefined = Object.hasOwn(value, part.text) ? value[part.text] : undefined;
    if (next === undefined) return whole ? path : undefined;
    // What a name of a named table holds is one whole, decided where the name is written.
    whole = NAMED_TABLES.has(String(path.at(-1) ?? ""));
    path.push(part.text);
    value = next;
  }
  return path;
}

function indexOf(list: readonly Json[], text: string): number | undefined {
  if (!text.startsWith("/")) {
    const index = Number(text);
    return Number.isInteger(index) && index < list.length && bindTarget(list[index] ?? null) === undefined
      ? index
      : undefined;
  }
  const target = canonicalTarget(text);
  const index = list.findLastIndex((bind) => bindTarget(bind) === target);
  return index < 0 ? undefined : index;
}
