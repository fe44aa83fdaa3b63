import type { Diagnostic } from "../../model/diagnostic.ts";
import { type ParseOutcome, parseText } from "../parse.ts";

/**
 * Another tool's file → values with positions. Its notation is told by its first sign and not by its name:
 * those tools keep JSON5 in files called `.json`.
 */
export async function parseSource(name: string, text: string): Promise<ParseOutcome> {
  const ending = /^\s*(?:[{]|\/[/*])/.test(text) ? ".json5" : ".toml";
  const { parsed, diagnostics } = await parseText(name + ending, text);
  return { parsed, diagnostics: diagnostics.map((each) => inSource(each, name, ending)) };
}

function inSource(diagnostic: Diagnostic, name: string, ending: string): Diagnostic {
  const { file, ...rest } = diagnostic;
  return file === name + ending ? { ...rest, file: name } : diagnostic;
}
