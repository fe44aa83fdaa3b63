import type { ConfigDocument } from "./document.ts";
import {
  type Growth,
  type KeyBranch,
  type KeyScan,
  growChild,
  halt,
  pathOf,
  startGrowth,
  tooDeep,
} from "./key-tree.ts";
import { LIMITS } from "./limits.ts";

/**
 * In: TOML text. Out: the position of every key and array element.
 * It reads no values and judges no syntax: it stops at what it does not understand, and the parser names the error.
 */
export function scanToml(document: ConfigDocument): KeyScan {
  const growth = startGrowth(document);
  const scan: Scan = { text: document.text, at: 0, broken: false, growth };
  let table: KeyBranch = growth.root;
  for (;;) {
    skipBlank(scan);
    if (scan.at >= scan.text.length) break;
    if (scan.text[scan.at] === "[") table = scanHeader(scan) ?? table;
    else scanPair(scan, table);
    if (scan.broken || growth.halted) break;
  }
  return growth;
}

interface Scan {
  readonly text: string;
  at: number;
  broken: boolean;
  readonly growth: Growth;
}

interface KeyPart {
  readonly key: string;
  readonly offset: number;
}

interface Frame {
  readonly node: KeyBranch;
  readonly close: "]" | "}";
  index: number;
}

function scanHeader(scan: Scan): KeyBranch | undefined {
  const isArray = scan.text[scan.at + 1] === "[";
  scan.at += isArray ? 2 : 1;
  const parts = scanKey(scan, "]");
  if (parts === undefined) return undefined;
  if (isArray && scan.text[scan.at++] !== "]") return broken(scan);
  const node = descend(scan, scan.growth.root, parts);
  if (node === undefined || !isArray) return newestElement(node);
  node.last++;
  return growChild(scan.growth, node, node.last, lastOffset(parts));
}

function scanPair(scan: Scan, table: KeyBranch): void {
  const parts = scanKey(scan, "=");
  const node = parts === undefined ? undefined : descend(scan, table, parts);
  if (node !== undefined) scanValue(scan, node);
}

/** Walks or makes the keys of one dotted key; the last one is the key that is set here. */
function descend(scan: Scan, from: KeyBranch, parts: readonly KeyPart[]): KeyBranch | undefined {
  let node: KeyBranch | undefined = from;
  for (const [index, { key, offset }] of parts.entries()) {
    node = growChild(scan.growth, node, key, offset);
    if (node === undefined) return undefined;
    if (index === parts.length - 1) break;
    node = newestElement(node);
    if (node === undefined) return undefined;
  }
  if (!node.explicit) {
    node.explicit = true;
    node.offset = lastOffset(parts);
  }
  return node;
}

/** `[a.b]` after `[[a]]` continues the newest element of `a`. */
function newestElement(node: KeyBranch | undefined): KeyBranch | undefined {
  return node === undefined || node.last < 0 ? node : node.children?.get(node.last);
}

/** One value, with an own stack: nesting must not reach the call stack. */
function scanValue(scan: Scan, target: KeyBranch): void {
  const frames: Frame[] = [];
  let node: KeyBranch | undefined = target;
  while (node !== undefined) {
    skipSpaces(scan);
    const char = scan.text[scan.at];
    if (char === "[" || char === "{") {
      if (node.depth >= LIMITS.depth) return halt(scan.growth, scan.at, tooDeep(pathOf(node)));
      scan.at++;
      frames.push({ node, close: char === "[" ? "]" : "}", index: 0 });
    } else if (char === '"' || char === "'") scanString(scan, char);
    else skipScalar(scan);
    node = scan.broken ? undefined : nextSlot(scan, frames);
  }
}

/** The next key or element inside the open brackets; undefined when all are closed or the text ends. */
function nextSlot(scan: Scan, frames: Frame[]): KeyBranch | undefined {
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    skipBlank(scan);
    while (scan.text[scan.at] === ",") {
      scan.at++;
      skipBlank(scan);
    }
    if (scan.at >= scan.text.length) return broken(scan);
    if (scan.text[scan.at] === frame.close) {
      scan.at++;
      frames.pop();
      continue;
    }
    if (frame.close === "]") return growChild(scan.growth, frame.node, frame.index++, scan.at);
    const parts = scanKey(scan, "=");
    return parts === undefined ? undefined : descend(scan, frame.node, parts);
  }
  return undefined;
}

const BARE_KEY = /[A-Za-z0-9_-]+/y;

/** The parts of a dotted key up to and over `end`. */
function scanKey(scan: Scan, end: "=" | "]"): readonly KeyPart[] | undefined {
  const parts: KeyPart[] = [];
  for (;;) {
    skipSpaces(scan);
    const offset = scan.at;
    const key = scanKeyPart(scan);
    if (key === undefined) return broken(scan);
    parts.push({ key, offset });
    // Checked here too, so that a key of a million dots costs nothing.
    if (parts.length > LIMITS.depth) {
      return halt(scan.growth, offset, tooDeep(parts.map((part) => part.key)));
    }
    skipSpaces(scan);
    const char = scan.text[scan.at++];
    if (char === end) return parts;
    if (char !== ".") return broken(scan);
  }
}

function scanKeyPart(scan: Scan): string | undefined {
  const char = scan.text[scan.at];
  if (char === '"' || char === "'") {
    const start = scan.at + 1;
    scanString(scan, char);
    if (scan.broken) return undefined;
    const raw = scan.text.slice(start, scan.at - 1);
    return char === "'" ? raw : decodeBasic(raw);
  }
  BARE_KEY.lastIndex = scan.at;
  const key = BARE_KEY.exec(scan.text)?.[0];
  scan.at += key?.length ?? 0;
  return key;
}

/** Moves over a string of any of the four kinds. */
function scanString(scan: Scan, mark: '"' | "'"): void {
  const { text } = scan;
  const isLong = text.startsWith(mark.repeat(3), scan.at);
  scan.at += isLong ? 3 : 1;
  for (; scan.at < text.length; scan.at++) {
    const char = text[scan.at];
    if (char === "\\" && mark === '"') scan.at++;
    else if (char === "\n" && !isLong) break;
    else if (char === mark && !isLong) return void scan.at++;
    else if (char === mark && text.startsWith(mark.repeat(3), scan.at)) {
      scan.at += 3;
      // Up to two quotes directly before the closing three belong to the text.
      for (let extra = 0; extra < 2 && text[scan.at] === mark; extra++) scan.at++;
      return;
    }
  }
  broken(scan);
}

function skipScalar(scan: Scan): void {
  const { text } = scan;
  for (; scan.at < text.length; scan.at++) {
    const char = text[scan.at];
    if (char === "," || char === "]" || char === "}" || char === "#" || char === "\n") return;
  }
}

function skipBlank(scan: Scan): void {
  const { text } = scan;
  for (; scan.at < text.length; scan.at++) {
    const char = text[scan.at];
    if (char === "#") {
      const end = text.indexOf("\n", scan.at);
      scan.at = end < 0 ? text.length : end;
    } else if (char !== " " && char !== "\t" && char !== "\n" && char !== "\r") return;
  }
}

function skipSpaces(scan: Scan): void {
  while (scan.text[scan.at] === " " || scan.text[scan.at] === "\t") scan.at++;
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  e: "\u001b",
};

function decodeBasic(raw: string): string {
  if (!raw.includes("\\")) return raw;
  return raw.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/g,
    (whole, two?: string, four?: string, eight?: string, letter?: string) => {
      if (letter !== undefined) return ESCAPES[letter] ?? letter;
      const code = Number.parseInt(two ?? four ?? eight ?? "", 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

function lastOffset(parts: readonly KeyPart[]): number {
  return parts.at(-1)?.offset ?? 0;
}

function broken(scan: Scan): undefined {
  scan.broken = true;
}
