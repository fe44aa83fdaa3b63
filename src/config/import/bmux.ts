/** bmux: the `[sandbox.cleanup]` defaults of its TOML file. It declares no sandboxes; its runs are what sandkeep records. */
import { formatDuration } from "../../util/duration.ts";
import type { ParsedConfig } from "../parse.ts";
import { guardCredentials } from "./credentials.ts";
import type { Aside, Draft } from "./draft.ts";
import { type Outcome, type Row, type Walk, row, walk } from "./rows.ts";
import { COUNT, FLAG, oneOf } from "./shape.ts";

const LATER = "clean-up of recorded runs is not configured here yet; shown as [runs.cleanup] below";

function later(name: string, value: Aside["value"], note?: string): Outcome {
  const why = note === undefined ? LATER : `${LATER}; ${note}`;
  return { why, aside: { path: ["runs", "cleanup", name], value } };
}

/** What started a run, there and here. */
const SOURCES = {
  all: "all",
  sandbox_cli: "run",
  playbook: "playbook",
  recording_verify: "recording-verify",
} as const;

const ROWS: readonly Row[] = [
  row(["sandbox", "cleanup", "failed_only"], FLAG, (value) => later("failed_only", value)),
  row(["sandbox", "cleanup", "older_than_secs"], COUNT, (value) =>
    later("older_than", formatDuration(value * 1000), "seconds are written with their unit"),
  ),
  row(
    ["sandbox", "cleanup", "source"],
    oneOf("all", "sandbox_cli", "playbook", "recording_verify"),
    (value) => later("source", SOURCES[value], `${value} is ${SOURCES[value]} here`),
  ),
];

const rest = ([top]: readonly string[]): string =>
  top === "sandbox" ? "sandkeep has no such key" : "it is not about sandboxes";

export function importBmux(
  { value, keys }: ParsedConfig,
  draft: Draft,
  diagnostics: Walk["diagnostics"],
): void {
  walk({ draft, keys, diagnostics, at: [], rows: ROWS, guard: guardCredentials, rest }, value);
  draft.remarks.push(
    "bmux declares no sandboxes, so this fleet has no agents yet: add [agents.main] and a [sandbox] for it.",
  );
}
