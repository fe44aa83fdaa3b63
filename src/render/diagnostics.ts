import type { Diagnostic } from "../model/diagnostic.ts";
import { count, paragraph } from "./layout.ts";
import type { Style } from "./style.ts";
import { showPath } from "./style.ts";

/**
 * `file:line:column: error: message [code]` with the hint below. The source line itself is not shown: it may hold a
 * value that should not reach a CI log.
 */
export function diagnosticLines(style: Style, diagnostic: Diagnostic, indent = 0): string[] {
  const { severity, file, line, column, path } = diagnostic;
  const place = [file === undefined ? undefined : showPath(style, file), line, column].filter(
    (part) => part !== undefined,
  );
  const where = place.length > 0 ? `${place.join(":")}: ` : path === "" ? "" : `${path}: `;
  const text = `${where}${severity}: ${diagnostic.message} [${diagnostic.code}]`;
  const lines = paragraph(style, text, { indent, hang: 4, tone: severity });
  const hint = diagnostic.hint;
  return hint === undefined
    ? lines
    : [...lines, ...paragraph(style, `fix: ${hint}`, { indent: indent + 4, hang: 5 })];
}

/** All problems, one after the other, and how many there are. Ends with a newline unless there is nothing to say. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], style: Style): string {
  if (diagnostics.length === 0) return "";
  const lines = diagnostics.flatMap((diagnostic) => diagnosticLines(style, diagnostic));
  const of = (severity: Diagnostic["severity"]) =>
    diagnostics.filter((each) => each.severity === severity).length;
  const counts = [
    of("error") > 0 ? count(of("error"), "error") : "",
    of("warning") > 0 ? count(of("warning"), "warning") : "",
  ].filter((text) => text !== "");
  return `${[...lines, ...(counts.length > 0 ? [counts.join(", ")] : [])].join("\n")}\n`;
}
