import { type ConfigDocument, quote } from "./document.ts";
import {
  type Growth,
  type KeyBranch,
  type KeyScan,
  growChild,
  halt,
  pathOf,
  reportKey,
  startGrowth,
  tooDeep,
} from "./key-tree.ts";
import { LIMITS } from "./limits.ts";

export interface JsonScan extends KeyScan {
  /** Offset of the first thing that JSON5 allows and JSON does not. */
  readonly json5At: number | undefined;
}

/**
 * In: JSON or JSON5 text. Out: the position of every key and array element, and keys set twice, which both
 * parsers accept silently. It stops at what it does not understand, and the parser names the error.
 */
export function scanJson(document: ConfigDocument): JsonScan {
  const growth = startGrowth(document);
  const scan: Scan = { text: document.text, at: 0, json5At: undefined, growth };
  skipBlank(scan);
  scanValue(scan);
  return { ...growth, json5At: scan.json5At };
}

interface Scan {
  readonly text: string;
  at: number;
  json5At: number | undefined;
  readonly growth: Growth;
}

interface Frame {
  readonly node: KeyBranch;
  readonly close: "]" | "}";
  index: number;
}

/** One value, with an own stack: nesting must not reach the call stack. */
function scanValue(scan: Scan): void {
  const frames: Frame[] = [];
  let node: KeyBranch | undefined = scan.growth.root;
  while (node !== undefined) {
    const char = scan.text[scan.at];
    if (char === "[" || char === "{") {
      if (node.depth >= LIMITS.depth) return halt(scan.growth, scan.at, tooDeep(pathOf(node)));
      scan.at++;
      frames.push({ node, close: char === "[" ? "]" : "}", index: 0 });
    } else if (char === '"' || char === "'") {
      if (!scanString(scan, char)) return;
    } else if (!scanScalar(scan)) return;
    node = nextSlot(scan, frames);
  }
}

/** The next key or element inside the open brackets; undefined when all are closed or the text is not JSON. */
function nextSlot(scan: Scan, frames: Frame[]): KeyBranch | undefined {
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    skipBlank(scan);
    const comma = scan.at;
    const hasComma = scan.text[scan.at] === ",";
    if (hasComma) {
      scan.at++;
      skipBlank(scan);
    }
    if (scan.text[scan.at] === frame.close) {
      if (hasComma) noteJson5(scan, comma);
      scan.at++;
      frames.pop();
      continue;
    }
    if (scan.at >= scan.text.length || hasComma === (frame.index === 0)) return undefined;
    const index = frame.index++;
    if (frame.close === "]") return growChild(scan.growth, frame.node, index, scan.at);
    return scanKey(scan, frame.node);
  }
  return undefined;
}

const IDENTIFIER = /(?:[$_\u200c\u200d\p{ID_Continue}]|\\u[0-9a-fA-F]{4})+/uy;

/** A key up to and over its colon. */
function scanKey(scan: Scan, parent: KeyBranch): KeyBranch | undefined {
  const offset = scan.at;
  const char = scan.text[offset];
  let raw: string | undefined;
  if (char === '"' || char === "'") {
    if (!scanString(scan, char)) return undefined;
    raw = scan.text.slice(offset + 1, scan.at - 1);
  } else {
    noteJson5(scan, offset);
    IDENTIFIER.lastIndex = offset;
    raw = IDENTIFIER.exec(scan.text)?.[0];
    if (raw === undefined) return undefined;
    scan.at += raw.length;
  }
  skipBlank(scan);
  if (scan.text[scan.at++] !== ":") return undefined;
  skipBlank(scan);
  return growKey(scan.growth, parent, decodeText(raw), offset);
}

function growKey(growth: Growth, parent: KeyBranch, key: string, offset: number): KeyBranch | undefined {
  const first = parent.children?.get(key);
  if (first === undefined) return growChild(growth, parent, key, offset);
  const { line, column } = growth.document.at(first.offset);
  reportKey(growth, offset, {
    code: "duplicate-key",
    message: `the key ${quote(key)} is already set at ${line}:${column}`,
    hint: "keep one of the two",
    path: pathOf(first),
  });
  // The parser takes the last value, so that is what the positions below must describe.
  first.children = undefined;
  first.offset = offset;
  return first;
}

/** Moves over a string; false when it has no end. */
function scanString(scan: Scan, mark: '"' | "'"): boolean {
  const { text } = scan;
  if (mark === "'") noteJson5(scan, scan.at);
  for (scan.at++; scan.at < text.length; scan.at++) {
    const char = text[scan.at];
    if (char === mark) {
      scan.at++;
      return true;
    }
    if (char === "\\") {
      scan.at++;
      if (!/["\\/bfnrtu]/.test(text[scan.at] ?? "")) noteJson5(scan, scan.at - 1);
      // The two characters of one line continuation.
      if (text.startsWith("\r\n", scan.at)) scan.at++;
    } else if (char === "\n" || char === "\r") return false;
    else if (char !== undefined && char < " ") noteJson5(scan, scan.at);
  }
  return false;
}

const JSON_SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const JSON5_SCALAR = /[-+.\w]+/y;

function scanScalar(scan: Scan): boolean {
  JSON5_SCALAR.lastIndex = scan.at;
  const word = JSON5_SCALAR.exec(scan.text)?.[0];
  if (word === undefined) return false;
  if (!JSON_SCALAR.test(word)) noteJson5(scan, scan.at);
  scan.at += word.length;
  return true;
}

const JSON5_SPACE = /[\v\f\u00a0\ufeff\u2028\u2029\p{Zs}]/u;

function skipBlank(scan: Scan): void {
  const { text } = scan;
  for (; scan.at < text.length; scan.at++) {
    const char = text[scan.at] ?? "";
    if (char === " " || char === "\n" || char === "\t" || char === "\r") continue;
    if (char === "/") {
      const end = commentEnd(text, scan.at);
      if (end === undefined) return;
      noteJson5(scan, scan.at);
      scan.at = end;
    } else if (JSON5_SPACE.test(char)) noteJson5(scan, scan.at);
    else return;
  }
}

/** Offset of a comment's last character. */
function commentEnd(text: string, at: number): number | undefined {
  if (text[at + 1] === "/") {
    const ends = /[\n\r\u2028\u2029]/g;
    ends.lastIndex = at;
    return ends.exec(text)?.index ?? text.length;
  }
  if (text[at + 1] !== "*") return undefined;
  const end = text.indexOf("*/", at + 2);
  return end < 0 ? undefined : end + 1;
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  0: "\0",
  "\n": "",
  "\r\n": "",
  "\r": "",
  "\u2028": "",
  "\u2029": "",
};

function decodeText(raw: string): string {
  if (!raw.includes("\\")) return raw;
  return raw.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(\r\n|[^]))/g,
    (_whole, two?: string, four?: string, letter?: string) => {
      if (letter !== undefined) return ESCAPES[letter] ?? letter;
      return String.fromCharCode(Number.parseInt(two ?? four ?? "", 16));
    },
  );
}

function noteJson5(scan: Scan, offset: number): void {
  scan.json5At ??= offset;
}
