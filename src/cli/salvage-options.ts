import type { VerbOption } from "./verb-option.ts";

/** What the actions of `salvage` take. */
export const SALVAGE_OPTIONS: readonly VerbOption[] = [
  { flags: "--output <folder>", about: "extract: a folder that does not exist yet, or an empty one" },
  { flags: "--older-than <duration>", about: "prune: bundles older than this" },
  { flags: "--dry-run", about: "prune: only say what would be removed" },
];
