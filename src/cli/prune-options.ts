import type { VerbOption } from "./verb-option.ts";

export const NO_SALVAGE: VerbOption = {
  flags: "--no-salvage",
  about: "keep no bundle of what goes, nor what a stage has not fetched",
};
export const YES: VerbOption = { flags: "-y, --yes", about: "do not ask" };

export const PRUNE_OPTIONS: readonly VerbOption[] = [
  { flags: "--dry-run", about: "only say what would be removed" },
  { flags: "--idle <duration>", about: "idle for this long, whatever the config says" },
  { flags: "--older-than <duration>", about: "older than this, whatever the config says" },
  { flags: "--orphans", about: "also what is no longer declared" },
  { flags: "--cache", about: "also the caches of build workers, beyond sandbox.buildkit.cache" },
  NO_SALVAGE,
  YES,
];
