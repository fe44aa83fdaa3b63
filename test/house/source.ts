// Reads TypeScript as text: TypeScript 7 has no API to parse with. `maskSource` is a small lexer, so that the rules
// look at code and never at the inside of comments, strings and regular expressions.

export interface SourceFile {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `import()` rather than a declaration. */
  readonly dynamic: boolean;
}

const REGEX_MAY_FOLLOW =
  /(?:^|[=(,[!&|?:;{}+\-*%<>~^]|\b(?:return|typeof|case|in|of|void|yield|await|throw|else|do))$/;

/** The text with the inside of comments, strings, templates and regular expressions blanked; same length and lines. */
export function maskSource(text: string): string {
  let out = "";
  let at = 0;
  const templateDepths: number[] = [];
  let depth = 0;
  const blank = (end: number) => {
    out += text.slice(at, end).replace(/[^\n]/g, " ");
    at = end;
  };
  const keep = (end: number) => {
    out += text.slice(at, end);
    at = end;
  };
  const template = () => {
    let end = at;
    while (end < text.length && text[end] !== "`" && !text.startsWith("${", end))
      end += text[end] === "\\" ? 2 : 1;
    blank(Math.min(end, text.length));
    if (text.startsWith("${", at)) {
      templateDepths.push(depth);
      keep(at + 2);
    } else keep(at + 1);
  };
  while (at < text.length) {
    const char = text.charAt(at);
    if (text.startsWith("//", at)) blank(indexOrEnd(text, "\n", at));
    else if (text.startsWith("/*", at)) blank(Math.min(indexOrEnd(text, "*/", at + 2) + 2, text.length));
    else if (char === '"' || char === "'") {
      keep(at + 1);
      blank(quotedEnd(text, at, char));
      keep(at + 1);
    } else if (char === "`") {
      keep(at + 1);
      template();
    } else if (char === "/" && REGEX_MAY_FOLLOW.test(out.trimEnd())) {
      keep(at + 1);
      blank(regexEnd(text, at));
      keep(at + 1);
    } else if (char === "}" && templateDepths.at(-1) === depth) {
      templateDepths.pop();
      keep(at + 1);
      template();
    } else {
      if (char === "{") depth += 1;
      if (char === "}") depth -= 1;
      keep(at + 1);
    }
  }
  return out;
}

function indexOrEnd(text: string, needle: string, from: number): number {
  const found = text.indexOf(needle, from);
  return found === -1 ? text.length : found;
}

function quotedEnd(text: string, from: number, quote: string): number {
  let end = from;
  while (end < text.length && text[end] !== quote && text[end] !== "\n") end += text[end] === "\\" ? 2 : 1;
  return Math.min(end, text.length);
}

function regexEnd(text: string, from: number): number {
  let end = from;
  let inClass = false;
  while (end < text.length && text[end] !== "\n" && (inClass || text[end] !== "/")) {
    if (text[end] === "[") inClass = true;
    if (text[end] === "]") inClass = false;
    end += text[end] === "\\" ? 2 : 1;
  }
  return Math.min(end, text.length);
}

export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** The string literal that opens at `index` (its quote). */
export function literalAt(text: string, index: number): string {
  const quote = text.charAt(index);
  return text.slice(index + 1, quotedEnd(text, index + 1, quote));
}

const DECLARATION = /\b(?:import|export)\b[^;"'`()=]*?\bfrom\s*["']|\bimport\s*["']/g;
const CALL = /\bimport\s*\(\s*(["'`]?)|\brequire\s*\(\s*(["'`])/g;

/** Every module a file names: declarations, re-exports, `import()`, import types, and `require`. */
export function importsOf(file: SourceFile): readonly Import[] {
  const masked = maskSource(file.text);
  const found: Import[] = [];
  for (const match of masked.matchAll(DECLARATION)) {
    const quote = match.index + match[0].length - 1;
    found.push({ specifier: literalAt(file.text, quote), line: lineAt(masked, match.index), dynamic: false });
  }
  for (const match of masked.matchAll(CALL)) {
    const quote = match.index + match[0].length - 1;
    const literal = match[1] === "" && match[2] === undefined ? COMPUTED : literalAt(file.text, quote);
    const specifier = literal.includes("${") ? COMPUTED : literal;
    found.push({ specifier, line: lineAt(masked, match.index), dynamic: true });
  }
  return found.toSorted((a, b) => a.line - b.line);
}

/** Stands for an `import(expression)`: nobody can check where that leads. */
export const COMPUTED = "<computed>";

/** Masked code without import declarations, re-exports and export lists, whose `as` only renames. */
export function withoutModuleClauses(masked: string): string {
  return masked.replace(
    /\bimport\b[^;"'`()=]*?\bfrom\s*["'][^"'\n]*["']|\bexport\s*(?:type\s*)?(?:\{[^}]*\}|\*(?:\s*as\s+\w+)?)(?:\s*from\s*["'][^"'\n]*["'])?/g,
    (clause) => clause.replace(/[^\n]/g, " "),
  );
}
