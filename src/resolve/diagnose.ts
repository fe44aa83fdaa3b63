import type { Diagnostic } from "../model/diagnostic.ts";
import type { Provenance } from "../model/settings.ts";
import type { Source } from "../model/source.ts";
import { formatKeyPath } from "../model/source.ts";

/** An error at the key that holds a value, or that would hold it. */
export function errorAt(
  { key, source }: Pick<Provenance, "key" | "source">,
  fault: Pick<Diagnostic, "code" | "message"> & { readonly hint: string },
): Diagnostic {
  return { severity: "error", ...fault, path: formatKeyPath(key), ...source };
}

/** `agents.a.sandbox.scope (team.toml:12)`, or the bare key when nobody wrote it. */
export function keyWithPlace({ key, source }: Pick<Provenance, "key" | "source">): string {
  return `${formatKeyPath(key)} (${place(source)})`;
}

function place(source: Source | undefined): string {
  return source === undefined ? "built-in" : `${source.file}:${String(source.line)}`;
}

/** Text order that is the same in every locale. */
export function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
