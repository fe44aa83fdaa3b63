import type { VerbOption } from "./verb-option.ts";

/** What `doctor` takes. */
export const DOCTOR_OPTIONS: readonly VerbOption[] = [
  { flags: "--fix", about: "do what is said, and nothing else" },
  { flags: "--dry-run", about: "with --fix: only say what would be done" },
];
