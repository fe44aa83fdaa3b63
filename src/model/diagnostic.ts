import * as z from "zod";

/** One problem in the user's input. Config faults are returned as these, never thrown. */
export const diagnosticSchema = z.strictObject({
  severity: z.enum(["error", "warning", "info"]),
  /** Stable code in kebab-case, e.g. `unknown-key`. */
  code: z.string(),
  /** What is wrong and what was expected, one line. */
  message: z.string(),
  /** Key path as text, `agents.work.sandbox.host`; empty when it concerns the whole file. */
  path: z.string(),
  file: z.string().optional(),
  line: z.int().positive().optional(),
  column: z.int().positive().optional(),
  /** How to fix it. */
  hint: z.string().optional(),
});
export type Diagnostic = z.infer<typeof diagnosticSchema>;
