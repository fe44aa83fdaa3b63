/**
 * In: a worker's answer of what its cache holds, in the wire format of protocol buffers. Out: its records, and what matters of
 * them for bounds. Pure.
 */
import type { CacheUse } from "../../model/cache.ts";
import type { Field } from "./wire.ts";
import { fieldsOf } from "./wire.ts";

export interface UsageRecord {
  readonly id: string;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly used_at: number;
  readonly in_use: boolean;
  /** Also somebody else's, such as an image's: no pruning removes it. */
  readonly shared: boolean;
  readonly parents: readonly string[];
}

/** Numbers of the fields of `DiskUsageResponse`, `UsageRecord` and `Timestamp`. */
const RECORD = 1;
const USAGE = {
  id: 1,
  in_use: 3,
  size: 4,
  parent: 5,
  created_at: 6,
  last_used_at: 7,
  shared: 11,
  parents: 12,
} as const;
const SECONDS = 1;

export function usageRecords(answer: Buffer): UsageRecord[] {
  return fieldsOf(answer).flatMap(({ number, value }) =>
    number === RECORD && Buffer.isBuffer(value) ? [recordOf(fieldsOf(value))] : [],
  );
}

function recordOf(fields: readonly Field[]): UsageRecord {
  const all = (number: number) => fields.flatMap((each) => (each.number === number ? [each.value] : []));
  const count = (number: number): number => all(number).find((each) => typeof each === "number") ?? 0;
  const texts = (number: number): string[] =>
    all(number).flatMap((each) => (Buffer.isBuffer(each) ? [each.toString()] : []));
  const time = (number: number): number | undefined => {
    const message = all(number).find((each) => Buffer.isBuffer(each));
    const seconds =
      message === undefined ? undefined : fieldsOf(message).find((each) => each.number === SECONDS);
    return typeof seconds?.value === "number" ? seconds.value * 1000 : undefined;
  };
  return {
    id: texts(USAGE.id)[0] ?? "",
    bytes: count(USAGE.size),
    used_at: time(USAGE.last_used_at) ?? time(USAGE.created_at) ?? 0,
    in_use: count(USAGE.in_use) !== 0,
    shared: count(USAGE.shared) !== 0,
    parents: [...texts(USAGE.parent), ...texts(USAGE.parents)].filter((each) => each !== ""),
  };
}

/** A record is kept by whoever was made from it, and by its own use; what no pruning removes does not count. */
export function cacheUse(records: readonly UsageRecord[]): CacheUse {
  const own = new Map(records.map((each) => [each.id, each]));
  const used = new Map<string, number>();
  const touch = (id: string, at: number): void => {
    if ((used.get(id) ?? -1) >= at) return;
    used.set(id, at);
    for (const parent of own.get(id)?.parents ?? []) touch(parent, at);
  };
  for (const { id, used_at, in_use } of records) touch(id, in_use ? Number.MAX_SAFE_INTEGER : used_at);
  const ours = records.filter((each) => !each.shared);
  const times = ours.map((each) => used.get(each.id) ?? each.used_at);
  const oldest = times.reduce((least, each) => Math.min(least, each), Number.MAX_SAFE_INTEGER);
  return {
    bytes: ours.reduce((sum, each) => sum + each.bytes, 0),
    oldest_use: oldest === Number.MAX_SAFE_INTEGER ? null : oldest,
  };
}
