/** bmux: the `[sandbox.cleanup]` defaults of its TOML file. It declares no sandboxes; its runs are what sandkeep records. */
import type { RUN_SOURCES } from "../../model/recorded-event.ts";
import { formatDuration } from "../../util/duration.ts";
import type { ParsedConfig } from "../parse.ts";
import { guardCredentials } from "./credentials.ts";
import type { Draft, Scalar } from "./draft.ts";
import { type Outcome, type Row, type Walk, row, walk } from "./rows.ts";
import { COUNT, FLAG, oneOf } from "./shape.ts";

const FROM: readonly string[] = ["sandbox", "cleanup"];
const TO: readonly string[] = ["runs", "cleanup"];

/** One key as it is written here, with what it means otherwise than there. */
function become(name: string, value: Scalar, note?: string): Outcome {
  return { sets: [{ path: [...TO, name], value }], ...(note === undefined ? {} : { note }) };
}

const ROWS: readonly Row[] = [
  row([...FROM, "failed_only"], FLAG, (value) =>
    become("failed_only", value, value ? "a run that was interrupted counts as failed, too" : undefined),
  ),
  row([...FROM, "older_than_secs"], COUNT, (seconds) => become("older_than", ...ageOf(seconds))),
  row([...FROM, "source"], oneOf("all", "sandbox_cli", "playbook", "recording_verify"), sourceOf),
];

const SECONDS_IN_100_YEARS = 100 * 365 * 86_400;

/** A duration has a unit, and none is longer than 100 years; without any, sandkeep's own default would hold. */
function ageOf(seconds: number): readonly [value: string, note: string] {
  if (seconds === 0) return ["off", '0 is written "off": a run may go as soon as it has ended'];
  const known = Math.min(seconds, SECONDS_IN_100_YEARS);
  const note = "counted from the end of a run, and written with its unit";
  return [formatDuration(known * 1000), known < seconds ? `100 years are the longest; ${note}` : note];
}

/** What `sandkeep run` calls the runs that it is asked for. */
const OWN: (typeof RUN_SOURCES)[number] = "cli";

/** What starts no run here. Whoever starts one can give it this name, and until then the clean-up takes nothing away. */
const STRANGERS = { playbook: "playbook", recording_verify: "recording-verify" } as const;

function sourceOf(value: "all" | "sandbox_cli" | keyof typeof STRANGERS): Outcome {
  if (value === "all") return become("source", value);
  if (value === "sandbox_cli")
    return become("source", OWN, `${OWN} is what \`sandkeep run\` calls its runs; \`runs dev\` says dev`);
  const name = STRANGERS[value];
  const note = `nothing here starts such runs by itself; \`sandkeep run --source ${name}\` calls its run so`;
  return become("source", name, note);
}

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
  if (draft.lines.size > 0)
    draft.remarks.push(
      "bmux removes runs only when `bmux sandbox cleanup` is called. With [runs.cleanup] `sandkeep watch` does it, too, " +
        "by itself and at most once an hour; without that table only `sandkeep runs cleanup` does, as its flags say.",
    );
}
