import { stringify } from "smol-toml";
import type { KeyPath } from "../../model/source.ts";
import type { Inline, Scalar } from "./draft.ts";

/** TOML, one line a piece. Every value and key goes through the library, so nothing in it can become syntax. */

// Invisible and text-reversing marks, which TOML allows in strings and a reader of the file would not see.
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}]/gu;

export function keyLine(key: string, value: Scalar | readonly string[] | Inline): string {
  const isTable = typeof value === "object" && !Array.isArray(value);
  if (!isTable) return visible(stringify({ [key]: value }).trim());
  const pairs = Object.entries(value).map(([name, each]) => stringify({ [name]: each }).trim());
  return visible(`${keyText(key)} = { ${pairs.join(", ")} }`);
}

/** One text as it stands in a list. */
export function textValue(text: string): string {
  return visible(stringify({ a: text }).trim().slice("a = ".length));
}

export function headerLine(path: KeyPath): string {
  return visible(`[${path.map((part) => keyText(String(part))).join(".")}]`);
}

export function keyText(key: string): string {
  return visible(
    stringify({ [key]: 0 })
      .trim()
      .slice(0, -" = 0".length),
  );
}

/** All of these stand inside quotes: TOML has no bare ones outside ASCII. */
function visible(line: string): string {
  return line.replace(INVISIBLE, (char) => {
    const code = (char.codePointAt(0) ?? 0).toString(16);
    return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
  });
}

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const WIDTH = 108;

/** Comment lines that stay comments whatever the text holds. */
export function commentLines(text: string): readonly string[] {
  const lines: string[] = [];
  let line = "#";
  for (const word of inert(text).split(" ")) {
    if (line.length > 1 && line.length + word.length >= WIDTH) {
      lines.push(line);
      line = "#  ";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

/** Text without anything that could end a comment, hide, or move a terminal's cursor. */
export function inert(text: string): string {
  return text.replace(UNSAFE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}
