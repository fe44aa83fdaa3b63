import { stripVTControlCharacters } from "node:util";
import { escapeText } from "./escape.ts";
import type { Style, Tone } from "./style.ts";
import { paint } from "./style.ts";

const ZERO = /\p{Mn}|\p{Me}/u;
const DOUBLE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const ASCII = /^[\x20-\x7e]*$/;

/** Terminal cells that a text takes, colour codes left out. */
export function cells(text: string): number {
  if (ASCII.test(text)) return text.length;
  let total = 0;
  for (const char of stripVTControlCharacters(text)) {
    if (!ZERO.test(char)) total += DOUBLE.test(char) ? 2 : 1;
  }
  return total;
}

/** Narrower than this nothing useful can be laid out; the terminal may wrap then. */
const NARROWEST = 20;

function splitLong(word: string, width: number): string[] {
  const parts: string[] = [];
  let part = "";
  let used = 0;
  for (const char of word) {
    const size = cells(char);
    if (used + size > width && part !== "") {
      parts.push(part);
      part = "";
      used = 0;
    }
    part += char;
    used += size;
  }
  return part === "" ? parts : [...parts, part];
}

/** Words on lines of at most `width` cells; a longer word is broken. */
export function wrap(text: string, width: number): string[] {
  const limit = Math.max(NARROWEST, width);
  if (cells(text) <= limit) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const joined = line === "" ? word : `${line} ${word}`;
    if (cells(joined) <= limit) {
      line = joined;
      continue;
    }
    if (line !== "") lines.push(line);
    const parts = splitLong(word, limit);
    lines.push(...parts.slice(0, -1));
    line = parts.at(-1) ?? "";
  }
  return line === "" ? lines : [...lines, line];
}

/** One text of any length as indented lines; continuation lines are indented by `hang` more. */
export function paragraph(
  style: Style,
  text: string,
  { indent = 0, hang = 0, tone = "plain" }: { indent?: number; hang?: number; tone?: Tone } = {},
): string[] {
  const lines = wrap(escapeText(text), style.width - indent - hang);
  return lines.map((line, index) => {
    const margin = " ".repeat(indent + (index === 0 ? 0 : hang));
    return (margin + paint(style, tone, line)).trimEnd();
  });
}

/** One text of a row with its tone. */
export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

/** A last column with less room than this is stacked instead of wrapped. */
const LEAST_LAST = 24;

/**
 * Rows as aligned columns; a long last column wraps in its place. Where that leaves too little room, each row is
 * stacked: its first cell, then the others indented below. A cell wider than its column's `caps` entry stays whole,
 * and what follows it stands on the next line, so that one long text squeezes no other row.
 */
export function columns(
  style: Style,
  rows: readonly (readonly Cell[])[],
  indent: number,
  caps: readonly (number | undefined)[] = [],
): string[] {
  const clean = rows.map((row) => row.map((cell) => ({ ...cell, text: escapeText(cell.text) })));
  const widths: number[] = [];
  for (const row of clean) {
    row.forEach((cell, index) => {
      const width = cells(cell.text);
      if (width <= (caps[index] ?? Infinity)) widths[index] = Math.max(widths[index] ?? 0, width);
      else widths[index] ??= 0;
    });
  }
  const last = widths.pop() ?? 0;
  const lead = widths.reduce((sum, width) => sum + width + GAP, indent);
  const room = style.width - lead;
  if (last > room && room < LEAST_LAST) return clean.flatMap((row) => stack(style, row, indent));
  return clean.flatMap((row) => alignedRow(style, row, widths, indent));
}

function alignedRow(style: Style, row: readonly Cell[], widths: readonly number[], indent: number): string[] {
  const lines: string[] = [];
  let line = " ".repeat(indent);
  let column = indent;
  const put = (cell: Cell): void => {
    const parts = wrap(cell.text, style.width - column);
    parts.forEach((part, index) => {
      const margin = index === 0 ? line : " ".repeat(column);
      lines.push((margin + paint(style, cell.tone ?? "plain", part)).trimEnd());
    });
  };
  row.slice(0, widths.length).forEach((cell, index) => {
    const width = widths[index] ?? 0;
    const fits = cells(cell.text) <= width;
    if (!fits) put(cell);
    column += width + GAP;
    line = fits ? line + paintPadded(style, cell, width) : " ".repeat(column);
  });
  put(row[widths.length] ?? { text: "" });
  return lines;
}

const GAP = 2;

function paintPadded(style: Style, cell: Cell, width: number): string {
  return paint(style, cell.tone ?? "plain", cell.text) + " ".repeat(width - cells(cell.text) + GAP);
}

function stack(style: Style, row: readonly Cell[], indent: number): string[] {
  const filled = row.filter((cell) => cell.text !== "");
  const plain = filled.map((cell) => cell.text).join("  ");
  if (indent + cells(plain) <= style.width) {
    const painted = filled.map((cell) => paint(style, cell.tone ?? "plain", cell.text));
    return [" ".repeat(indent) + painted.join("  ")];
  }
  return filled.flatMap((cell, index) =>
    paragraph(style, cell.text, {
      indent: indent + (index === 0 ? 0 : 2),
      hang: 2,
      tone: cell.tone ?? "plain",
    }),
  );
}

/** Blocks of lines with one empty line between them; empty blocks leave nothing. */
export function joinBlocks(blocks: readonly (readonly string[])[]): string {
  const filled = blocks.filter((block) => block.length > 0);
  return `${filled.map((block) => block.join("\n")).join("\n\n")}\n`;
}

/** `1 runtime`, `3 runtimes`. */
export function count(amount: number, one: string, many = `${one}s`): string {
  return `${amount} ${amount === 1 ? one : many}`;
}
