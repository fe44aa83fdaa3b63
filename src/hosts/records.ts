/** The records of an answer, and the values in them: whatever the host wrote, each comes out as what it may be. Pure. */
import { textOfBytes } from "../util/shown-bytes.ts";

const MOST_RECORD = 512 * 1024;
const MOST_TEXT = 512;
const TAB = 9;

/** What follows the last NUL was cut off and is none. */
export function split(bytes: Buffer): { readonly text: string }[] {
  const records: { text: string }[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0, at);
    if (end === -1) return records;
    const record = bytes.subarray(at, end);
    const kind = record.subarray(0, Math.max(0, record.indexOf(TAB)));
    records.push({
      text: record.length > MOST_RECORD ? `long\t${kind.toString("latin1")}` : textOfBytes(record),
    });
    at = end + 1;
  }
  return records;
}

/** Fields of a record; the last takes all that is left. */
export function fields(text: string, amount: number): string[] {
  const parts = text.split("\t");
  return [...parts.slice(0, amount - 1), parts.slice(amount - 1).join("\t")];
}

export function short(text: string): string {
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text;
}

export function whole(text: string | undefined): number {
  const value = text !== undefined && /^\d{1,15}$/.test(text.trim()) ? Number(text) : 0;
  return Number.isSafeInteger(value * 1024) ? value : 0;
}

export function number(text: string | undefined): number | null {
  const value = text !== undefined && /^\d{1,12}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  return Number.isNaN(value) ? null : value;
}

export function moment(ms: number): string | null {
  // Engines write year 1 for never.
  return Number.isFinite(ms) && ms > 0 && ms < 8.64e15 ? new Date(ms).toISOString() : null;
}
