import type { Diagnostic } from "../../model/diagnostic.ts";

export const PRODUCTS = ["fluffbuzz", "openclaw", "bmo", "bmux"] as const;
export type Product = (typeof PRODUCTS)[number];

/** One key of the source file. It stands in exactly one of the three lists of a report. */
export interface ImportedKey {
  /** As in the source: `agents.list[0].sandbox.mode`; a flag of an argument list ends in its name. */
  readonly key: string;
  readonly line: number;
  readonly column: number;
  /** Keys of the written config that hold it; empty when nothing in force does. */
  readonly to: readonly string[];
  /** What changed, or why it has no equal; absent for what means the same. */
  readonly note?: string;
}

/** A default of the other tool, written out because sandkeep's own differs. */
export interface KeptDefault {
  readonly to: string;
  readonly note: string;
}

export interface Imported {
  readonly ok: true;
  readonly product: Product;
  readonly mapped: readonly ImportedKey[];
  readonly changed: readonly ImportedKey[];
  readonly unmapped: readonly ImportedKey[];
  readonly defaults: readonly KeptDefault[];
  /** A whole commented sandkeep.toml. */
  readonly text: string;
}

/** Places are those of the source file; its values are not quoted. */
export interface ImportFailed {
  readonly ok: false;
  readonly diagnostics: readonly Diagnostic[];
}
