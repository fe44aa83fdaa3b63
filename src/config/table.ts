/** A table of a parsed config, not yet validated. Parsers make it, with or without a prototype. */
export type Table = Readonly<Record<string, unknown>>;

export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The value at `path`; undefined when a key on the way is absent or is no table or array. */
export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) {
    if (Array.isArray(at) && typeof key === "number") at = at[key];
    else if (isTable(at) && typeof key === "string" && Object.hasOwn(at, key)) at = at[key];
    else return undefined;
  }
  return at;
}

/** The table at `path` as entries; none when there is no table. */
export function entriesAt(value: unknown, path: readonly PropertyKey[]): readonly [string, unknown][] {
  const table = valueAt(value, path);
  return isTable(table) ? Object.entries(table) : [];
}

export function withoutKeys(table: Table, dropped: (key: string) => boolean): Table {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(table)) if (!dropped(key)) kept[key] = value;
  return kept;
}
