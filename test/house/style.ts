import { PURE_ROOMS, roomOf, type Violation } from "./rooms.ts";
import { lineAt, literalAt, maskSource, withoutModuleClauses, type SourceFile } from "./source.ts";

// What may stand inside a file of src and controllers. Each rule is a row; `code` is the masked text.

interface Rule {
  readonly what: string;
  /** Positions of violations in the text. */
  readonly find: (file: SourceFile, code: string) => readonly number[];
}

const MAX_LINES = 300;
/** The first file a newcomer reads. */
const MAX_LINES_OF_FLOW = 99;

/** Names no code outside `src/drivers` may compare with; the short ones are also words of other fields. */
const DRIVER_NAMES = ["docker", "podman", "ssh", "buildkit", "openshell", "qemu", "kubernetes"];
const AMBIGUOUS_DRIVER_NAMES = ["local", "memory"];

function positions(text: string, pattern: RegExp): readonly number[] {
  return [...text.matchAll(pattern)].map((match) => match.index);
}

const RULES: readonly Rule[] = [
  {
    what: "has an enum",
    find: (_, code) => positions(code, /^[ \t]*(?:export |declare |const )*enum\s+\w/gm),
  },
  {
    what: "has a namespace",
    find: (_, code) => positions(code, /^[ \t]*(?:export |declare )*namespace\s+\w/gm),
  },
  {
    what: "has a default export",
    find: (_, code) => positions(code, /\bexport\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b/g),
  },
  {
    what: "uses the type any",
    find: (_, code) =>
      positions(code, /(?::\s*|=>\s*|[<|&,]\s*|\bas\s+|=\s*)\bany\b(?=\s*(?:[[\]>,;)|&={}]|$))/gm),
  },
  { what: "casts with `as`", find: (_, code) => casts(withoutModuleClauses(code)) },
  { what: "compares a backend by name", find: backendComparisons },
  { what: "has `!` without a reason beside it", find: unexplainedBangs },
  { what: "is a barrel", find: (file, code) => (isBarrel(file, code) ? [0] : []) },
  {
    what: "has unfinished work",
    find: (file) => positions(file.text, /\b(?:TODO|FIXME|XXX|HACK)\b/g),
  },
  {
    what: `is longer than ${MAX_LINES} lines`,
    find: (file) => (lineCount(file.text) > MAX_LINES ? [0] : []),
  },
  {
    what: `is the flow and longer than ${MAX_LINES_OF_FLOW} lines`,
    find: (file) => (file.path === "src/reconcile.ts" && lineCount(file.text) > MAX_LINES_OF_FLOW ? [0] : []),
  },
  { what: "has a name that is no kebab-case noun or verb", find: (file) => (badName(file.path) ? [0] : []) },
  { what: "is of a pure stage and reads clock, chance or environment", find: impurities },
];

export function checkStyle(files: readonly SourceFile[]): readonly Violation[] {
  return files.flatMap((file) => {
    const code = maskSource(file.text);
    return RULES.flatMap(({ what, find }) =>
      find(file, code).map((index) => ({ path: file.path, line: lineAt(file.text, index), what })),
    );
  });
}

function casts(code: string): readonly number[] {
  const found = positions(code, /(?<=[\w$)\]}"'`>]\s+)as\s+(?!const\b)[\w${["'`(]/g);
  // `[K in keyof T as Name<K>]` renames a key of a mapped type.
  return found.filter((index) => !/\[\s*\w+\s+in\s[^\]]*$/.test(code.slice(0, index)));
}

function namesBackend(literal: string, subject: string): boolean {
  // Walking a config's keys is not asking for a backend: `[hosts.build1]` has a key `docker` as well.
  if (DRIVER_NAMES.includes(literal)) return !/(?:^|\.)key$/.test(subject);
  return AMBIGUOUS_DRIVER_NAMES.includes(literal) && /(?:backend|driver)(?:\.?name)?$/i.test(subject);
}

function backendComparisons(file: SourceFile, code: string): readonly number[] {
  if (file.path.startsWith("src/drivers/")) return [];
  const found: number[] = [];
  for (const match of code.matchAll(/([\w$.?]+)\s*[=!]==?\s*(["'])/g)) {
    if (namesBackend(literalAt(file.text, match.index + match[0].length - 1), match[1] ?? ""))
      found.push(match.index);
  }
  for (const match of code.matchAll(/(["'])[^"'\n]*\1\s*[=!]==?\s*([\w$.?]+)/g)) {
    if (namesBackend(literalAt(file.text, match.index), match[2] ?? "")) found.push(match.index);
  }
  for (const match of code.matchAll(/\bcase\s+(["'])/g)) {
    const switched = /\bswitch\s*\(([^)]*)\)[^]*$/.exec(code.slice(0, match.index))?.[1] ?? "";
    if (namesBackend(literalAt(file.text, match.index + match[0].length - 1), switched))
      found.push(match.index);
  }
  return found;
}

function unexplainedBangs(file: SourceFile, code: string): readonly number[] {
  const lines = file.text.split("\n");
  return positions(code, /(?<=[\w$)\]])!(?=[.[;,)\]}\s]|$)/gm).filter((index) => {
    const line = lineAt(code, index);
    return ![lines[line - 1], lines[line - 2]].some((text) => text?.includes("//"));
  });
}

function isBarrel(file: SourceFile, code: string): boolean {
  if (file.path === "src/index.ts") return false;
  if (!/\bexport\b[^;]*?\bfrom\s*["']/.test(code)) return false;
  return withoutModuleClauses(code).replace(/[;\s]/g, "") === "";
}

function badName(path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/\.ts$/, "");
  return !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name) || /^(?:helpers?|manager|misc|utils?|common)$/.test(name);
}

function impurities(file: SourceFile, code: string): readonly number[] {
  const room = roomOf(file.path);
  if (room === undefined || !PURE_ROOMS.includes(room)) return [];
  return positions(
    code,
    /\bDate\.now\(|\bnew Date\(\s*\)|\bMath\.random\(|\brandom(?:UUID|Bytes|Int)\(|\bprocess\.|\bperformance\.now\(/g,
  );
}

function lineCount(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}
