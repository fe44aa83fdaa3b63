import { parse as parseTomlText, TomlError } from "smol-toml";
import { toError } from "../errors.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { KeyPath } from "../model/source.ts";
import { type ConfigDocument, type Fault, type Place, diagnose, openDocument, quote } from "./document.ts";
import { type KeyNode, isReservedKey, nearestKey } from "./key-tree.ts";
import { LIMITS } from "./limits.ts";
import { scanJson } from "./scan-json.ts";
import { scanToml } from "./scan-toml.ts";
import { type Table, isTable, withoutKeys } from "./table.ts";
import { checkTexts, mayHoldFaults } from "./texts.ts";

export const CONFIG_FORMATS = ["toml", "json5", "json"] as const;
export type ConfigFormat = (typeof CONFIG_FORMATS)[number];

/** One file's values and where each key is written. */
export interface ParsedConfig {
  readonly document: ConfigDocument;
  readonly keys: KeyNode;
  readonly value: Table;
}

export interface ParseOutcome {
  /** Absent when the text has no readable values at all. */
  readonly parsed: ParsedConfig | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** The format a file's name asks for. */
export function formatOf(name: string): ConfigFormat | undefined {
  return CONFIG_FORMATS.find((format) => name.toLowerCase().endsWith(`.${format}`));
}

/** Text → values with positions, or what is wrong with it. `name` is shown to people and tells the format. */
export async function parseText(name: string, text: string): Promise<ParseOutcome> {
  const document = openDocument(name, text.startsWith("\ufeff") ? text.slice(1) : text);
  const format = formatOf(name);
  if (format === undefined) return failed([diagnose({ document, offset: 0 }, unknownFormat(name))]);
  const nul = document.text.indexOf("\0");
  if (nul >= 0) return failed([diagnose({ document, offset: nul }, NUL_BYTE)]);
  return format === "toml" ? parseToml(document) : parseJson(document, format);
}

function unknownFormat(name: string): Fault {
  return {
    code: "unknown-format",
    message: `expected a .toml, .json5 or .json file, got ${quote(name)}`,
    hint: "give the file one of these endings",
  };
}

function parseToml(document: ConfigDocument): ParseOutcome {
  const scan = scanToml(document);
  if (scan.halted) return failed(scan.diagnostics);
  try {
    const value = parseTomlText(document.text, { maxDepth: LIMITS.depth });
    return finish(document, scan.root, value, scan.diagnostics);
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    const place = { line: thrown.line, column: thrown.column };
    // The message carries a code block after its first line, and we show positions ourselves.
    const [first = ""] = thrown.message.split("\n");
    const reason = first.replace("Invalid TOML document: ", "");
    return failed([...scan.diagnostics, syntaxFault(document, place, `not valid TOML: ${reason}`)]);
  }
}

async function parseJson(document: ConfigDocument, format: "json" | "json5"): Promise<ParseOutcome> {
  const scan = scanJson(document);
  if (scan.halted) return failed(scan.diagnostics);
  try {
    const value: unknown =
      format === "json"
        ? JSON.parse(document.text)
        : (await import("json5")).default.parse<unknown>(document.text);
    return finish(document, scan.root, value, scan.diagnostics);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    const fault =
      format === "json5" ? json5Fault(document, thrown) : await strictJsonFault(document, scan.json5At ?? 0);
    return failed([...scan.diagnostics, fault]);
  }
}

/** JSON.parse often tells no position; the JSON5 parser does, and what it accepts is merely not strict. */
async function strictJsonFault(document: ConfigDocument, json5At: number): Promise<Diagnostic> {
  const json5 = await import("json5");
  try {
    json5.default.parse(document.text);
  } catch (thrown) {
    return json5Fault(document, toError(thrown));
  }
  return diagnose(
    { document, offset: json5At },
    {
      code: "syntax",
      message: "not valid JSON: comments, trailing commas and the like are JSON5",
      hint: "rename the file to end in .json5, or write strict JSON",
    },
  );
}

function json5Fault(document: ConfigDocument, thrown: Error): Diagnostic {
  const line = "lineNumber" in thrown ? Number(thrown.lineNumber) : 1;
  const column = "columnNumber" in thrown ? Number(thrown.columnNumber) : 1;
  const reason = thrown.message.replace(/^JSON5: /, "").replace(/ at \d+:\d+$/, "");
  return syntaxFault(document, { line, column }, `not valid JSON: ${reason}`);
}

function syntaxFault(
  document: ConfigDocument,
  place: { readonly line: number; readonly column: number },
  message: string,
): Diagnostic {
  const hint = "correct the syntax here; the keys of this file were not read";
  const fault = diagnose(document.shown, { code: "syntax", message, hint });
  return { ...fault, line: Math.max(1, place.line), column: Math.max(1, place.column) };
}

function finish(
  document: ConfigDocument,
  keys: KeyNode,
  value: unknown,
  found: readonly Diagnostic[],
): ParseOutcome {
  if (!isTable(value)) {
    const fault = {
      code: "wrong-type",
      message: "expected a table of keys at the top level",
      hint: 'write an object, such as { "version": 1 }',
    };
    return failed([diagnose({ document, offset: 0 }, fault)]);
  }
  const hasReserved = found.some(({ code }) => code === "reserved-key");
  const safe = hasReserved ? withoutReserved(value) : value;
  const placeOf = (path: KeyPath): Place => ({ document, offset: nearestKey(keys, path).offset });
  const texts = mayHoldFaults(document.text) ? checkTexts(safe, placeOf) : [];
  return {
    parsed: { document, keys, value: isTable(safe) ? safe : {} },
    diagnostics: [...found, ...texts],
  };
}

/** Depth is limited by the scanner, so recursion is safe here. */
function withoutReserved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutReserved);
  if (!isTable(value)) return value;
  const kept = withoutKeys(value, isReservedKey);
  return Object.fromEntries(Object.entries(kept).map(([key, item]) => [key, withoutReserved(item)]));
}

function failed(diagnostics: readonly Diagnostic[]): ParseOutcome {
  return { parsed: undefined, diagnostics };
}

const NUL_BYTE: Fault = {
  code: "invalid-text",
  message: "expected text, got a NUL byte",
  hint: "save the file as UTF-8 text; it may be UTF-16 or no text at all",
};
