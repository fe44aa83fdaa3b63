import type { VerbOption } from "./verb-option.ts";
import { AGENT, SESSION } from "./verb-option.ts";

/** What any action of `stage` takes; each refuses what says nothing to it. */
export const STAGE_OPTIONS: readonly VerbOption[] = [
  AGENT,
  SESSION,
  {
    flags: "--path <path>",
    about: "only this path or glob below the workspace, or with a ! before it, all but it; may be repeated",
    repeated: true,
  },
  { flags: "--stat", about: "diff: names and numbers, without lines" },
  { flags: "--html <file>", about: "diff: also write a page that shows it" },
  { flags: "--reverse", about: "apply: take the last apply back" },
  { flags: "--output <file>", about: "export: write the patch here instead of to stdout" },
  { flags: "-y, --yes", about: "apply, discard: do not ask" },
];
