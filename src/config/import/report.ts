import * as z from "zod";
import type { Diagnostic } from "../../model/diagnostic.ts";

export const PRODUCTS = ["fluffbuzz", "openclaw", "bmo", "bmux"] as const;
export type Product = (typeof PRODUCTS)[number];

/** One key of the source file. It stands in exactly one of the three lists of a report. */
const importedKeySchema = z.strictObject({
  key: z
    .string()
    .describe("As in the source: agents.list[0].sandbox.mode; a flag of an argument list ends in its name."),
  line: z.int().positive(),
  column: z.int().positive(),
  to: z
    .array(z.string())
    .readonly()
    .describe("Keys of the written config that hold it; empty when nothing in force does."),
  note: z
    .string()
    .optional()
    .describe("What changed, or why it has no equal; absent for what means the same."),
});
export type ImportedKey = Readonly<z.infer<typeof importedKeySchema>>;

/** A default of the other tool, written out because sandkeep's own differs. */
const keptDefaultSchema = z.strictObject({ to: z.string(), note: z.string() });

/** Answer of `import`. */
export const importSchema = z.strictObject({
  product: z.enum(PRODUCTS),
  mapped: z.array(importedKeySchema).readonly().describe("What means the same."),
  changed: z.array(importedKeySchema).readonly().describe("What means something else here."),
  unmapped: z.array(importedKeySchema).readonly().describe("What has no equal."),
  defaults: z
    .array(keptDefaultSchema)
    .readonly()
    .describe("Defaults of the other tool, written out because sandkeep's own differ."),
  text: z.string().describe("A whole commented sandkeep.toml."),
  file: z.string().optional().describe("Absolute path of the file that was written, with --out."),
});

export interface Imported extends Readonly<Omit<z.infer<typeof importSchema>, "file">> {
  readonly ok: true;
}

/** Places are those of the source file; its values are not quoted. */
export interface ImportFailed {
  readonly ok: false;
  readonly diagnostics: readonly Diagnostic[];
}
