import type { VerbOption } from "./verb-option.ts";

export const SYNC_OPTIONS: readonly VerbOption[] = [
  { flags: "--dry-run", about: "pull, push: say what would move, and move nothing" },
  {
    flags: "--force",
    about: "push: what is here wins over what changed there as well; pull: what is there wins",
  },
  {
    flags: "--path <path>",
    about: "pull, push: only this path or glob below the workspace; may be repeated",
    repeated: true,
  },
  { flags: "-y, --yes", about: "do not ask what --force asks" },
];
