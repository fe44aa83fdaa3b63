import { formatBytes } from "../../util/bytes.ts";
import type { KeyPath } from "../../model/source.ts";
import type { Setting } from "./draft.ts";
import type { Outcome } from "./rows.ts";

/** Docker's notations as sandkeep's. Both products hand them to `docker` as they are. */

const UNIT_POWERS = "bkmgtp";

/** `512m`, `1.5g`, `1gib` or a number of bytes; Docker counts in 1024s whatever the spelling. */
export function dockerBytes(given: string | number): number | undefined {
  if (typeof given === "number") return Number.isSafeInteger(given) ? given : undefined;
  const [, amount, unit] = /^(-?\d{1,16}(?:\.\d{1,9})?)\s*([bkmgtp]?)(?:i?b)?$/i.exec(given.trim()) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  const bytes = Math.round(
    Number(amount) * 1024 ** Math.max(0, UNIT_POWERS.indexOf(unit.toLowerCase() || "b")),
  );
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

export function memory(path: KeyPath, given: string | number): Outcome {
  const bytes = dockerBytes(given);
  if (bytes === undefined) return { why: "it is not a size that Docker reads" };
  if (bytes <= 0) return { why: "it means no limit, which is also what sandkeep does without this key" };
  return { sets: [{ path, value: formatBytes(bytes) }] };
}

export function memorySwap(path: KeyPath, given: string | number): Outcome {
  const bytes = dockerBytes(given);
  if (bytes === undefined) return { why: "it is not a size that Docker reads" };
  if (bytes === 0) return { why: "it means unset, which is also what sandkeep does without this key" };
  if (bytes < 0) return { sets: [{ path, value: "unlimited" }], note: 'no limit is written "unlimited"' };
  return { sets: [{ path, value: formatBytes(bytes) }] };
}

export function pids(path: KeyPath, count: number): Outcome {
  if (count > 0) return { sets: [{ path, value: count }] };
  return { sets: [{ path, value: "unlimited" }], note: 'no limit is written "unlimited"' };
}

export function cpus(path: KeyPath, cores: number): Outcome {
  if (cores > 0) return { sets: [{ path, value: cores }] };
  return { why: "it means no limit, which is also what sandkeep does without this key" };
}

type Limit = string | number | { readonly soft?: number; readonly hard?: number };

/** `1024`, `1024:2048`, `unlimited`, or a pair. */
export function ulimit(path: KeyPath, limit: Limit): Outcome {
  if (typeof limit === "number") return { sets: [{ path, value: limit }] };
  if (typeof limit === "object") {
    const { soft = limit.hard ?? 0, hard = soft } = limit;
    return { sets: [{ path, value: { soft, hard } }] };
  }
  const [soft, hard = soft, ...rest] = limit.split(":").map(limitNumber);
  if (soft === undefined || hard === undefined || rest.length > 0)
    return { why: "it is not a limit that Docker reads" };
  return { sets: [{ path, value: soft === hard ? soft : { soft, hard } }] };
}

function limitNumber(text: string): number | undefined {
  if (text === "unlimited") return -1;
  return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
}

const BIND_MODES: ReadonlySet<string> = new Set(["ro", "rw"]);

/** A bind without the mount options that sandkeep has no key for. */
export function bind(text: string): { readonly value: string; readonly dropped: readonly string[] } {
  const [source = "", target = "", options, ...rest] = text.split(":");
  if (options === undefined || rest.length > 0) return { value: text, dropped: [] };
  const words = options.split(",");
  const mode = words.filter((word) => BIND_MODES.has(word));
  const dropped = words.filter((word) => !BIND_MODES.has(word));
  return { value: [source, target, ...mode].join(":"), dropped };
}

/** Several binds as one setting, with a note when options of theirs were left out. */
export function binds(path: KeyPath, texts: readonly string[]): Outcome {
  const read = texts.map(bind);
  const dropped = [...new Set(read.flatMap((each) => each.dropped))];
  const sets: readonly Setting[] = [{ path, value: read.map(({ value }) => value) }];
  if (dropped.length === 0) return { sets };
  return { sets, note: `the mount options ${dropped.join(", ")} are left out; sandkeep has ro and rw` };
}

export function gpus(path: KeyPath, given: string): Outcome {
  const plain = given.replaceAll('"', "");
  return plain === given
    ? { sets: [{ path, value: given }] }
    : { sets: [{ path, value: plain }], note: "without its inner quotes" };
}

/** `cap_net_raw` and `all` are written in capitals. */
export function capabilities(texts: readonly string[]): readonly string[] {
  return texts.map((text) => text.toUpperCase());
}

/** A prefix of names, cut to what `name_prefix` may hold. */
export function namePrefix(given: string): Outcome {
  const fits = given
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 16)
    .replace(/-+$/, "");
  if (fits === "") return { why: "nothing of it may stand in name_prefix" };
  const sets = [{ path: ["name_prefix"], value: fits }];
  const note = "sandkeep puts its own dash, the fleet and a hash behind it";
  return {
    sets,
    note: fits === given ? note : `cut to small letters, digits and dashes, at most 16; ${note}`,
  };
}
