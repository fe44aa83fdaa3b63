import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { EXAMPLES, ROOT } from "./example.ts";

export const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** What people read, as paths from the root: the README and the guides beside the examples. */
export const PAGES: readonly string[] = [
  "README.md",
  ...readdirSync(EXAMPLES)
    .map((name) => `examples/${name}/README.md`)
    .filter((path) => existsSync(join(ROOT, path)))
    .toSorted(),
];

export function readPage(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Where a page's relative links lead, as paths from the root. */
export function linked(path: string): readonly string[] {
  return [...readPage(path).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, to = ""]) =>
    normalize(join(dirname(path), to)),
  );
}

/** The fenced blocks of one language, without their fences. */
export function blocks(language: string, page = README): readonly string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"))].map(
    (match) => match[1] ?? "",
  );
}

/** The one block of a language that contains a text. */
export function blockWith(language: string, text: string): string {
  const found = blocks(language).filter((block) => block.includes(text));
  if (found.length !== 1) throw new Error(`${found.length} ${language} blocks of the README hold ${text}`);
  return found[0] ?? "";
}
