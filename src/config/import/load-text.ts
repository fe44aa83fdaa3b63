import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import type { LoadResult } from "../index.ts";
import { sortDiagnostics } from "../document.ts";
import { findKey } from "../key-tree.ts";
import { parseText } from "../parse.ts";
import { validate } from "../validate.ts";

/** A text as if it stood in `file`, an absolute path whose name tells the format. It follows no includes. */
export async function loadText(file: string, text: string, backends: readonly string[]): Promise<LoadResult> {
  const { parsed, diagnostics } = await parseText(file, text);
  if (parsed === undefined) return { ok: false, diagnostics: sortDiagnostics(diagnostics) };
  const { value, keys } = parsed;
  const outcome = validate({ value, keys, diagnostics }, backends, true);
  const all = sortDiagnostics([...diagnostics, ...outcome.diagnostics]);
  const { config } = outcome;
  if (config === undefined || all.some(({ severity }) => severity === "error"))
    return { ok: false, diagnostics: all };
  const sha256 = createHash("sha256").update(text).digest("hex");
  return {
    ok: true,
    loaded: {
      rootFile: file,
      root: dirname(file),
      files: [{ path: basename(file), sha256 }],
      config,
      locate: (path) => {
        const node = findKey(keys, path);
        return node?.document.at(node.offset);
      },
    },
    diagnostics: all,
  };
}
