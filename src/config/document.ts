import type { Diagnostic } from "../model/diagnostic.ts";
import type { KeyPath, Source } from "../model/source.ts";
import { formatKeyPath } from "../model/source.ts";
import { LIMITS } from "./limits.ts";

/** One config file as text. Offsets count UTF-16 units of `text`, which has no byte order mark. */
export interface ConfigDocument {
  /** The file's name as shown to people. */
  readonly shown: string;
  readonly text: string;
  at(offset: number): Source;
}

/** A spot in a document, or the shown name of a file that has no readable text. */
export type Place = { readonly document: ConfigDocument; readonly offset: number } | string;

export interface Fault {
  readonly severity?: Diagnostic["severity"];
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly path?: KeyPath;
}

export function openDocument(shown: string, text: string): ConfigDocument {
  let starts: readonly number[] | undefined;
  return {
    shown,
    text,
    at(offset) {
      starts ??= lineStarts(text);
      const line = lineAt(starts, offset);
      return { file: shown, line: line + 1, column: offset - (starts[line] ?? 0) + 1 };
    },
  };
}

export function diagnose(place: Place, fault: Fault): Diagnostic {
  const source = typeof place === "string" ? { file: place } : place.document.at(place.offset);
  const { severity = "error", code, message, hint, path = [] } = fault;
  return { severity, code, message, path: formatKeyPath(path), ...source, hint };
}

/** By file, line and column, so that the report reads like the files do, and not longer than anybody reads. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const sorted = diagnostics.toSorted(
    (a, b) =>
      compareText(a.file ?? "", b.file ?? "") ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0) ||
      compareText(a.path, b.path) ||
      compareText(a.code, b.code),
  );
  if (sorted.length <= LIMITS.diagnostics) return sorted;
  const message = `more than ${LIMITS.diagnostics} problems; the rest is not shown`;
  const hint = "correct the ones above first; they may share a cause";
  const isBroken = sorted.some(({ severity }) => severity === "error");
  const severity = isBroken ? "error" : "warning";
  const shown = sorted.slice(0, LIMITS.diagnostics);
  return [
    ...shown,
    diagnose(shown.at(-1)?.file ?? "", { severity, code: "too-many-problems", message, hint }),
  ];
}

/** Byte order of the UTF-8 text, the same in every locale. */
export function compareText(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** A value for a message: quoted, on one line, and short whatever it was. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function lineAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
