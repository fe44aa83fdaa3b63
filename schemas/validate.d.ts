// Generated from validate.schema.json by schemas/generate.ts.

/**
 * Answer of `sandkeep validate --json`.
 */
export interface SandkeepValidate {
  ok: boolean;
  diagnostics: Diagnostic[];
}
export interface Diagnostic {
  severity: "error" | "warning" | "info";
  code: string;
  message: string;
  path: string;
  file?: string;
  line?: number;
  column?: number;
  hint?: string;
}
