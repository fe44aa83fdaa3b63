/** Sizes as people write them: `64MiB`, `2GB`, `1.5GiB`, `512B`. */

const BYTES_PER_UNIT: ReadonlyMap<string, bigint> = new Map([
  ["b", 1n],
  ["kb", 1_000n],
  ["mb", 1_000_000n],
  ["gb", 1_000_000_000n],
  ["tb", 1_000_000_000_000n],
  ["kib", 1_024n],
  ["mib", 1_048_576n],
  ["gib", 1_073_741_824n],
  ["tib", 1_099_511_627_776n],
]);

export const SIZE_PATTERN = /^(\d{1,16})(?:\.(\d{1,15}))?([kKmMgGtT]?[iI]?[bB])$/;

export const SIZE_EXPECTED =
  'a size with a unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB), such as "64MiB", or a whole number of bytes';

/** Whole bytes, or undefined when `text` is no size, has a part of a byte, or is not a safe integer. */
export function parseBytes(text: string): number | undefined {
  const [, whole, fraction = "", unit] = SIZE_PATTERN.exec(text) ?? [];
  const size = BYTES_PER_UNIT.get(unit?.toLowerCase() ?? "");
  if (whole === undefined || size === undefined) return undefined;
  // BigInt, because 0.1 GiB in floating point would look like whole bytes.
  const scaled = BigInt(whole + fraction) * size;
  const divisor = 10n ** BigInt(fraction.length);
  if (scaled % divisor !== 0n) return undefined;
  const bytes = Number(scaled / divisor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The largest first, so that the first that fits gives the shortest text. */
const WRITTEN: readonly (readonly [unit: string, bytes: number])[] = [
  ["TiB", 1_099_511_627_776],
  ["TB", 1_000_000_000_000],
  ["GiB", 1_073_741_824],
  ["GB", 1_000_000_000],
  ["MiB", 1_048_576],
  ["MB", 1_000_000],
  ["KiB", 1_024],
  ["kB", 1_000],
];

/** The shortest exact text, read back to the same number: `2147483648` is `2GiB`, `2000000000` is `2GB`. */
export function formatBytes(bytes: number): string {
  const fitting = bytes === 0 ? undefined : WRITTEN.find(([, size]) => bytes % size === 0);
  return fitting === undefined ? `${bytes}B` : `${bytes / fitting[1]}${fitting[0]}`;
}
