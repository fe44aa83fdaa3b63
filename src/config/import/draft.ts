import { type KeyPath, type Source, formatKeyPath } from "../../model/source.ts";
import { equalJson } from "../../util/json-path.ts";
import type { Product } from "./report.ts";

export type Scalar = string | number | boolean;
/** A small table that is written on one line. */
export type Inline = Readonly<Record<string, string | number | readonly string[]>>;

/** One source key, while it is not yet known what becomes of it. */
export interface Entry {
  readonly key: string;
  readonly place: Source;
  changed: boolean;
  /** True when nothing in force holds it. */
  lost: boolean;
  /** The agent that it declares. */
  agent: string | undefined;
  /** What changed, or why it has no equal. */
  readonly notes: string[];
}

/** One element of a written list. */
export interface Item {
  readonly value: string;
  readonly from: Entry | undefined;
  refused: string | undefined;
}

/** One key of the file to be written. */
export interface Line {
  readonly path: KeyPath;
  readonly from: Entry | undefined;
  /** Further source keys that say the same. */
  readonly also: readonly Entry[];
  /** Why it is written although the source does not have it. */
  readonly why: string | undefined;
  readonly value: Scalar | Inline | readonly Item[];
  /** Without it an agent would run elsewhere or otherwise than asked: when it is refused, so is the agent. */
  readonly vital: boolean;
  /** Whether a list that lost every element is written as an empty one. */
  readonly keepEmpty: boolean;
  refused: string | undefined;
}

/** A setting without an equal, shown commented out in the shape of the config. */
export interface Aside {
  readonly path: KeyPath;
  readonly value: Scalar | Inline | readonly string[];
}

/** A sandkeep.toml in the making, and what became of each source key. */
export interface Draft {
  readonly product: Product;
  readonly entries: Entry[];
  /** By key path as text. */
  readonly lines: Map<string, Line>;
  readonly asides: Aside[];
  /** Written even when nothing is said about them. */
  readonly agents: Set<string>;
  /** Agents that are commented out, with the reason. */
  readonly shelved: Map<string, string>;
  /** Told at the top, because no key of the source says it. */
  readonly remarks: string[];
}

export interface Setting {
  readonly path: KeyPath;
  readonly value: Scalar | Inline | readonly string[];
  readonly vital?: true;
  readonly keepEmpty?: true;
}

export function startDraft(product: Product): Draft {
  return {
    product,
    entries: [],
    lines: new Map(),
    asides: [],
    agents: new Set(),
    shelved: new Map(),
    remarks: [],
  };
}

export function addEntry(draft: Draft, key: string, place: Source): Entry {
  const entry: Entry = { key, place, changed: false, lost: false, agent: undefined, notes: [] };
  draft.entries.push(entry);
  return entry;
}

export function isList(value: Line["value"]): value is readonly Item[] {
  return Array.isArray(value);
}

function isTexts(value: Setting["value"]): value is readonly string[] {
  return Array.isArray(value);
}

/** Writes a key; one that is set again to something else loses its first value, and that is told. */
export function set(draft: Draft, setting: Setting, from: Entry | undefined, why?: string): void {
  const { path, value, vital = false, keepEmpty = false } = setting;
  const id = formatKeyPath(path);
  const line = draft.lines.get(id);
  if (line !== undefined && from !== undefined && saysSame(line, value)) {
    draft.lines.set(id, { ...line, also: [...line.also, from] });
    return;
  }
  for (const before of line === undefined ? [] : sourcesOf(line)) {
    if (before === from) continue;
    before.lost = true;
    before.notes.push(`set again by ${from?.key ?? "a default"}`);
  }
  const written = isTexts(value) ? value.map((each) => ({ value: each, from, refused: undefined })) : value;
  draft.lines.set(id, { path, from, also: [], why, value: written, vital, keepEmpty, refused: undefined });
}

function saysSame({ value }: Line, again: Setting["value"]): boolean {
  return !isList(value) && !isTexts(again) && equalJson(value, again);
}

/** Every source key that a line was written for. */
export function sourcesOf({ from, also }: Line): readonly Entry[] {
  return from === undefined ? [] : [from, ...also];
}

/** Adds elements to a list that several source keys fill. */
export function append(draft: Draft, path: KeyPath, values: readonly string[], from: Entry): void {
  const id = formatKeyPath(path);
  const old = draft.lines.get(id)?.value;
  const items = values.map((value) => ({ value, from, refused: undefined }));
  draft.lines.set(id, {
    path,
    from: undefined,
    also: [],
    why: undefined,
    value: [...(old !== undefined && isList(old) ? old : []), ...items],
    vital: false,
    keepEmpty: false,
    refused: undefined,
  });
}

/** Writes what the other tool does when nobody says so, where sandkeep would do something else. */
export function keepDefault(draft: Draft, setting: Setting, why: string): void {
  if (!draft.lines.has(formatKeyPath(setting.path))) set(draft, setting, undefined, why);
}

export function agentOf(path: KeyPath): string | undefined {
  const [top, name] = path;
  return top === "agents" && typeof name === "string" ? name : undefined;
}

/** Why a line is not in force, or undefined. */
export function whyOff(draft: Draft, line: Line): string | undefined {
  if (line.refused !== undefined) return line.refused;
  const agent = agentOf(line.path);
  const shelved = agent === undefined ? undefined : draft.shelved.get(agent);
  if (shelved !== undefined) return `agent ${agent ?? ""} is commented out: ${shelved}`;
  if (!isList(line.value) || line.keepEmpty || line.value.length === 0) return undefined;
  return line.value.every(({ refused }) => refused !== undefined) ? line.value[0]?.refused : undefined;
}
