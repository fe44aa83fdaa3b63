import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./example.ts";

export const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** The fenced blocks of one language, without their fences. */
export function blocks(language: string): readonly string[] {
  return [...README.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"))].map(
    (match) => match[1] ?? "",
  );
}

/** The one block of a language that contains a text. */
export function blockWith(language: string, text: string): string {
  const found = blocks(language).filter((block) => block.includes(text));
  if (found.length !== 1) throw new Error(`${found.length} ${language} blocks of the README hold ${text}`);
  return found[0] ?? "";
}
