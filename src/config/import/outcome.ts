import { formatKeyPath } from "../../model/source.ts";
import { type Draft, type Entry, type Line, isList, sourcesOf, whyOff } from "./draft.ts";
import type { Imported, ImportedKey } from "./report.ts";

type Lists = Pick<Imported, "mapped" | "changed" | "unmapped" | "defaults">;

/** What finally became of every source key, after refusals. */
export function outcomeOf(draft: Draft): Lists {
  const parts = partsOf(draft);
  const mapped: ImportedKey[] = [];
  const changed: ImportedKey[] = [];
  const unmapped: ImportedKey[] = [];
  for (const entry of draft.entries) {
    const all = parts.get(entry) ?? agentParts(draft, entry);
    const on = all.filter(({ off }) => off === undefined);
    const reasons = [...new Set(all.map(({ off }) => off).filter((off) => off !== undefined))];
    const isLost = entry.lost || (on.length === 0 && reasons.length > 0);
    const notes = [...entry.notes, ...(isLost ? reasons : reasons.map((reason) => `left out: ${reason}`))];
    const { line, column } = entry.place;
    const to = isLost ? [] : [...new Set(on.map((part) => part.to))];
    const note = notes.length === 0 ? {} : { note: notes.join("; ") };
    const list = isLost ? unmapped : entry.changed || reasons.length > 0 ? changed : mapped;
    list.push({ key: entry.key, line, column, to, ...note });
  }
  return { mapped, changed, unmapped, defaults: defaultsOf(draft) };
}

/** One value that a source key was written as. */
interface Part {
  readonly to: string;
  readonly off: string | undefined;
}

function partsOf(draft: Draft): ReadonlyMap<Entry, readonly Part[]> {
  const parts = new Map<Entry, Part[]>();
  const add = (entry: Entry | undefined, part: Part): void => {
    if (entry !== undefined) parts.set(entry, [...(parts.get(entry) ?? []), part]);
  };
  for (const line of draft.lines.values()) {
    const to = formatKeyPath(line.path);
    const off = whyOff(draft, line);
    if (!isList(line.value) || line.value.length === 0)
      for (const entry of sourcesOf(line)) add(entry, { to, off });
    else for (const item of line.value) add(item.from, { to, off: item.refused ?? off });
  }
  return parts;
}

function agentParts(draft: Draft, { agent }: Entry): readonly Part[] {
  if (agent === undefined) return [];
  const shelved = draft.shelved.get(agent);
  const off = shelved === undefined ? undefined : `agent ${agent} is commented out: ${shelved}`;
  return [{ to: formatKeyPath(["agents", agent]), off }];
}

function defaultsOf(draft: Draft): Imported["defaults"] {
  return [...draft.lines.values()].flatMap((line: Line) =>
    line.why === undefined || whyOff(draft, line) !== undefined
      ? []
      : [{ to: formatKeyPath(line.path), note: line.why }],
  );
}
