/** Durations as people write them: `36h`, `7d`, `90s`, `500ms`, `1h30m`. */

const MS_PER_UNIT = {
  w: 604_800_000,
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
} as const;
type DurationUnit = keyof typeof MS_PER_UNIT;

const UNITS: readonly DurationUnit[] = ["w", "d", "h", "m", "s", "ms"];

/** Each unit at most once, the largest first: `1h1h` and `30m1h` are typing errors, not sums. */
export const DURATION_PATTERN =
  /^(?=\d)(?:\d{1,15}w)?(?:\d{1,15}d)?(?:\d{1,15}h)?(?:\d{1,15}m)?(?:\d{1,15}s)?(?:\d{1,15}ms)?$/;

export const DURATION_EXPECTED = 'a duration with a unit (ms, s, m, h, d, w), such as "90s" or "1h30m"';

/** Timers and dates stay exact below this. */
const LONGEST_MS = 100 * 365 * MS_PER_UNIT.d;

/** Milliseconds, or undefined when `text` is no duration or is longer than 100 years. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION_PATTERN.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|[wdhms])/g)) {
    const size = UNITS.find((known) => known === unit);
    if (size === undefined) return undefined;
    total += Number(amount) * MS_PER_UNIT[size];
  }
  return total <= LONGEST_MS ? total : undefined;
}

/** The shortest exact text of whole milliseconds: `90000` is `1m30s`, `0` is `0s`. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  let text = "";
  for (const unit of UNITS) {
    // Weeks are read but not written: "10d" says more than "1w3d".
    if (unit === "w") continue;
    const amount = Math.floor(rest / MS_PER_UNIT[unit]);
    rest -= amount * MS_PER_UNIT[unit];
    if (amount > 0) text += `${amount}${unit}`;
  }
  return text === "" ? "0s" : text;
}

/** An age for people, cut to what matters at its size: `3d4h`, `2h5m`, `4m10s`, `12s`. */
export function roughDuration(ms: number): string {
  const unit = ms >= MS_PER_UNIT.d ? MS_PER_UNIT.h : ms >= MS_PER_UNIT.h ? MS_PER_UNIT.m : MS_PER_UNIT.s;
  return formatDuration(Math.floor(ms / unit) * unit);
}
