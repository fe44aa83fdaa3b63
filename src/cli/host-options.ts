import type { VerbOption } from "./verb-option.ts";

/** What the actions of `host` take. */
export const HOST_OPTIONS: readonly VerbOption[] = [
  { flags: "--older-than <duration>", about: "stale, reap: only what is older (default 1d)" },
  { flags: "--dry-run", about: "reap: only say what would be removed" },
  { flags: "--apply", about: "reap: remove exactly what is listed" },
];
