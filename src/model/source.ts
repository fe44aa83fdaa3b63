import * as z from "zod";

/** A place in a config file. Line and column count from 1; the column counts UTF-16 units. */
export const sourceSchema = z.strictObject({
  file: z.string(),
  line: z.int().positive(),
  column: z.int().positive(),
});
export type Source = z.infer<typeof sourceSchema>;

/** A key path in a config, one segment a table key (string) or array index (number). */
export type KeyPath = readonly (string | number)[];

/** `a.b[0]."c d"`: bare TOML keys stay bare, others are quoted, so the text can be pasted back. */
export function formatKeyPath(path: KeyPath): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else {
      const key = /^[A-Za-z0-9_-]+$/.test(part) ? part : JSON.stringify(part);
      text += text === "" ? key : `.${key}`;
    }
  }
  return text;
}
