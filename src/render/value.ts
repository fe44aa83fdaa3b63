import type { Json } from "../model/json.ts";
import { isTable } from "../model/json.ts";
import { MASKED } from "../model/plan-format.ts";
import { formatBytes } from "../util/bytes.ts";
import { formatDuration } from "../util/duration.ts";
import { escapeText } from "./escape.ts";

/** Last path segments whose numbers have a unit that people write. */
const UNITS: Readonly<Record<string, (amount: number) => string>> = {
  memory: formatBytes,
  memory_swap: formatBytes,
  shm_size: formatBytes,
  idle: formatDuration,
  max_age: formatDuration,
  max_wait: formatDuration,
  max_bytes: formatBytes,
  timeout: formatDuration,
  fetch: formatDuration,
  seed: formatDuration,
  setup: formatDuration,
  interval: formatDuration,
};

/** A value as a config would write it: quoted strings, sizes and durations with units, `(none)` for what is absent. */
export function formatValue(path: string, value: Json | undefined): string {
  if (value === null || value === undefined) return "(none)";
  if (value === MASKED) return MASKED;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) {
    const unit = UNITS[path.split(".").at(-1) ?? ""];
    return unit === undefined ? String(value) : unit(value);
  }
  return escapeText(JSON.stringify(value));
}

/** Seconds as one rough unit, as `list` shows ages: `45s`, `12m`, `3h`, `9d`. */
export function formatAge(seconds: number | null): string {
  if (seconds === null) return "";
  const steps = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "m"],
  ] as const;
  const whole = Math.max(0, Math.floor(seconds));
  const step = steps.find(([size]) => whole >= size * 2) ?? steps.find(([size]) => whole >= size);
  return step === undefined ? `${whole}s` : `${Math.floor(whole / step[0])}${step[1]}`;
}

/** A size as people say it, about right: `812 B`, `3.4 MiB`. */
export function formatSize(bytes: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let size = bytes / 1024;
  if (size < 1) return `${bytes} B`;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit] ?? ""}`;
}

/** One member of a list or table that is only before, only after, or differs. */
export interface MemberChange {
  readonly sign: "+" | "-" | "~";
  readonly text: string;
}

/** What differs inside two lists or two tables; undefined when the values are of other or unlike kinds. */
export function memberChanges(before: Json, after: Json, arrowText: string): MemberChange[] | undefined {
  if (Array.isArray(before) && Array.isArray(after)) return listChanges(before, after);
  if (!isTable(before) || !isTable(after)) return undefined;
  const changes: MemberChange[] = [];
  for (const key of [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted()) {
    const [old, next] = [before[key], after[key]];
    if (JSON.stringify(old) === JSON.stringify(next)) continue;
    const name = escapeText(key);
    if (old === undefined) changes.push({ sign: "+", text: `${name}: ${formatValue(key, next)}` });
    else if (next === undefined) changes.push({ sign: "-", text: `${name}: ${formatValue(key, old)}` });
    else
      changes.push({
        sign: "~",
        text: `${name}: ${formatValue(key, old)} ${arrowText} ${formatValue(key, next)}`,
      });
  }
  return changes;
}

function listChanges(before: readonly Json[], after: readonly Json[]): MemberChange[] {
  const [old, next] = [before, after].map((list) => list.map((item) => formatValue("", item)));
  const gone = (old ?? []).filter((text) => !(next ?? []).includes(text));
  const fresh = (next ?? []).filter((text) => !(old ?? []).includes(text));
  if (gone.length + fresh.length === 0)
    return [{ sign: "~", text: "the same items, in another order or number" }];
  return [
    ...gone.map((text) => ({ sign: "-", text }) as const),
    ...fresh.map((text) => ({ sign: "+", text }) as const),
  ];
}

/** `5.1 MiB`, rounded for people. */
export function roughBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const amount = bytes / 1024 ** power;
  return `${power === 0 ? amount : amount.toFixed(1)} ${units[power] ?? "B"}`;
}
