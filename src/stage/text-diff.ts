import { structuredPatch } from "diff";
import type { StageHunk } from "../model/stage.ts";

/** As git has it: what holds a NUL in its first bytes is no text. */
const LOOKED_AT = 8_000;
/** Beyond these a comparison by lines takes longer than it is worth. */
export const MOST_BYTES = 2 * 1024 * 1024;
const MOST_EDITS = 10_000;

export function isBinary(contents: Buffer): boolean {
  return contents.subarray(0, LOOKED_AT).includes(0);
}

/** Undefined where one side is no text, or too large to be compared by lines. */
export function hunksOf(before: Buffer, after: Buffer): readonly StageHunk[] | undefined {
  if (isBinary(before) || isBinary(after)) return undefined;
  if (before.length > MOST_BYTES || after.length > MOST_BYTES) return undefined;
  const [a, b] = [before.toString("latin1"), after.toString("latin1")];
  const patch = structuredPatch("", "", a, b, undefined, undefined, {
    context: 3,
    maxEditLength: MOST_EDITS,
  });
  return patch?.hunks.map((hunk) => ({
    // Where there is no line, git counts the one before.
    old_start: hunk.oldLines === 0 ? hunk.oldStart - 1 : hunk.oldStart,
    old_lines: hunk.oldLines,
    new_start: hunk.newLines === 0 ? hunk.newStart - 1 : hunk.newStart,
    new_lines: hunk.newLines,
    lines: hunk.lines,
  }));
}
