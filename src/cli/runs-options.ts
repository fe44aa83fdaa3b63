import type { VerbOption } from "./verb-option.ts";
import { AGENT, SESSION } from "./verb-option.ts";

/** What any action of `runs` takes; each refuses what says nothing to it. */
export const RUNS_OPTIONS: readonly VerbOption[] = [
  { flags: "--latest", about: "the run that began last" },
  { flags: "--latest-failed", about: "the last one that failed" },
  { flags: "--source <name>", about: "only what this one asked for: cli, task, canary, …" },
  AGENT,
  SESSION,
  { flags: "--status <status>", about: "list: all, running, ok, failed or interrupted" },
  { flags: "--limit <n>", about: "list: at most this many" },
  { flags: "--tail <n>", about: "inspect, tail, triage: so many last lines" },
  { flags: "--follow", about: "tail (-f): go on as lines come, until the run ends" },
  { flags: "--stream <name>", about: "tail, open: stdout, stderr or all" },
  { flags: "--rerun", about: "triage: then run it again" },
  { flags: "--output <folder>", about: "bundle: make it in here (default sandkeep-bundles)" },
  { flags: "--include-env", about: "bundle: names of variables, and what made the bundle" },
  { flags: "--include-index-state", about: "bundle: how the ledger stands" },
  { flags: "--include-doctor", about: "bundle: what doctor finds" },
  { flags: "--archive", about: "bundle: one tar instead of a folder" },
  { flags: "--verify", about: "bundle: check what was made" },
  { flags: "--strict", about: "bundle, verify-bundle: what is not declared fails, too" },
  { flags: "--bundle", about: "triage: make and verify a bundle, and fail where it is not as declared" },
  { flags: "--bundle-strict-verify", about: "triage: as --bundle, with --strict" },
  { flags: "--grace <duration>", about: "cancel: from TERM to KILL (default 10s)" },
  { flags: "--fix", about: "doctor: do what is said, and nothing else" },
  { flags: "--dry-run", about: "cleanup, doctor: only say what would be done" },
  { flags: "--older-than <duration>", about: "cleanup: what ended this long ago (default 7d)" },
  { flags: "--failed-only", about: "cleanup: keep what succeeded" },
  { flags: "--all-status", about: "cleanup: whatever the config's failed_only says" },
  { flags: "--pager", about: "open: show the log in $PAGER" },
];
