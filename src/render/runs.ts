import type { RunArtifactList } from "../model/artifacts.ts";
import type { ListedRun } from "../model/run.ts";
import type { RunInspection, RunLedgerStatus, RunLine, RunList, RunReconcile } from "../model/run-answers.ts";
import { roughDuration } from "../util/duration.ts";
import { escapeText } from "./escape.ts";
import type { Cell } from "./layout.ts";
import { columns, count, joinBlocks, paragraph } from "./layout.ts";
import type { Style, Tone } from "./style.ts";
import { paint, showEngine, showPath } from "./style.ts";
import { formatAge, formatSize } from "./value.ts";

const TONES = {
  running: "info",
  ok: "good",
  failed: "alarm",
  interrupted: "warning",
} as const satisfies Record<ListedRun["status"], Tone>;

/** Below this a command is shown with its rest cut off. */
const LONGEST_COMMAND = 200;

/** As a shell would take it. */
function showCommand(argv: readonly string[]): string {
  const words = argv.map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  return words.join(" ");
}

function cut(text: string, style: Style): string {
  const more = style.unicode ? "…" : "...";
  return text.length <= LONGEST_COMMAND ? text : text.slice(0, LONGEST_COMMAND) + more;
}

/** `failed 137 (SIGKILL)`, `ok`, `failed 124 (timeout)`. */
function outcomeOf(run: Pick<ListedRun, "status" | "exit_code" | "signal" | "exit_class">): string {
  if (run.status !== "failed") return run.status;
  const code = run.exit_code === null ? "" : ` ${run.exit_code}`;
  const kind = run.exit_class === "signal" ? run.signal : run.exit_class;
  return `failed${code}${kind === null || kind === "error" ? "" : ` (${kind})`}`;
}

function showDuration(ms: number | null): string {
  if (ms === null) return "";
  return ms < 10_000 ? `${(ms / 1000).toFixed(ms < 1000 ? 2 : 1)}s` : roughDuration(ms);
}

function row(run: ListedRun, style: Style, now: number): Cell[] {
  const age = (now - Date.parse(run.started_at)) / 1000;
  return [
    { text: run.id },
    { text: outcomeOf(run), tone: TONES[run.status] },
    { text: `${run.agent}:${run.session}` },
    { text: `${formatAge(age)} ago`, tone: "dim" },
    { text: showDuration(run.duration_ms), tone: "dim" },
    { text: cut(showCommand(run.argv), style) },
  ];
}

function healed(reconcile: RunReconcile, style: Style): string[] {
  const { interrupted, unreadable } = reconcile;
  const lines: string[] = [];
  if (interrupted > 0) {
    const text = `${count(interrupted, "run")} of a process that is gone: now marked interrupted.`;
    lines.push(...paragraph(style, text, { tone: "warning" }));
  }
  if (unreadable.length > 0) {
    const text = `${count(unreadable.length, "folder")} without a manifest that can be read: ${unreadable.slice(0, 3).join(", ")}`;
    lines.push(...paragraph(style, text, { tone: "warning" }));
  }
  return lines;
}

export function runRows(runs: readonly ListedRun[], style: Style, now: number): Cell[][] {
  return runs.map((run) => row(run, style, now));
}

export function renderRunList(list: RunList, style: Style, now: number): string {
  const more = list.more
    ? paragraph(style, "There are more; --limit says how many to show.", { tone: "dim" })
    : [];
  return joinBlocks([
    list.runs.length === 0
      ? ["No runs."]
      : columns(
          style,
          list.runs.map((run) => row(run, style, now)),
          0,
        ),
    more,
    healed(list.reconcile, style),
  ]);
}

export function renderRunStatus(status: RunLedgerStatus, style: Style, now: number): string {
  const counts = Object.entries(status.counts).map(([name, amount]) => `${amount} ${name}`);
  const named = (title: string, runs: readonly ListedRun[]): string[] =>
    runs.length === 0
      ? []
      : [
          ...paragraph(style, title, { tone: "strong" }),
          ...columns(
            style,
            runs.map((run) => row(run, style, now)),
            2,
          ),
        ];
  return joinBlocks([
    paragraph(style, `${count(status.total, "run")} of fleet ${status.fleet}: ${counts.join(", ")}`, {
      tone: "strong",
    }),
    named("Going on", status.running),
    named("Latest", status.latest === null ? [] : [status.latest]),
    named("Latest failed", status.latest_failed === null ? [] : [status.latest_failed]),
    healed(status.reconcile, style),
  ]);
}

/** Output as text that can do nothing to a terminal: lines of stderr in another tone. */
export function renderLines(lines: readonly RunLine[], style: Style): string {
  return lines
    .map(({ stream, text }) => `${paint(style, stream === "stderr" ? "error" : "plain", showLine(text))}\n`)
    .join("");
}

function showLine(text: string): string {
  // Tabs and a line's own end move nothing that matters.
  return text
    .replace(/\r$/, "")
    .split("\t")
    .map((part) => escapeText(part))
    .join("\t");
}

export function renderRun({ run, folder, latest_log, lines }: RunInspection, style: Style): string {
  const place =
    run.backend === null ? "on the host, not sandboxed" : showEngine(run.backend, run.host ?? "local");
  const { commit, dirty, file } = run.config;
  const version =
    commit === null ? "" : ` at ${commit.slice(0, 12)}${dirty === true ? ", changed since" : ""}`;
  const logs = Object.entries(run.logs ?? {}).map(([stream, log]) => {
    const gone = log.dropped > 0 ? `, the first ${formatSize(log.dropped)} dropped` : "";
    const lost = log.lost > 0 ? `, the last ${formatSize(log.lost)} lost (${log.error ?? ""})` : "";
    return `${stream} ${formatSize(log.bytes)}${gone}${lost}`;
  });
  const facts: readonly (readonly [string, string | null])[] = [
    ["command", showCommand(run.argv)],
    ["for", `${run.agent}:${run.session}, asked by ${run.source}`],
    ["in", [run.address, place].filter((each) => each !== null).join(", ")],
    ["object", run.object_id],
    ["spec", run.spec_hash],
    ["image", run.image === null ? null : `${run.image.ref} ${run.image.digest}`],
    [
      "environment",
      [run.env.mode, ...run.env.names, ...run.env.secrets.map((name) => `${name} (secret)`)].join(", "),
    ],
    ["config", file === null ? "none: built-in defaults" : `${showPath(style, file)}${version}`],
    ["plan", run.plan_id],
    ["began", run.started_at],
    ["ended", run.ended_at === null ? null : `${run.ended_at}, after ${showDuration(run.duration_ms)}`],
    ["lost", run.changes_lost ? "what it changed in its workspace: its copy went with it" : null],
    ["disrupted", run.disrupted === null ? null : `${run.disrupted.at}: ${run.disrupted.why}`],
    ["error", run.error === null ? null : `${run.error.message} [${run.error.code}]`],
    ["output", logs.length === 0 ? null : logs.join("; ")],
    ["folder", showPath(style, folder)],
    ["latest log", latest_log === null ? "none" : showPath(style, latest_log)],
  ];
  return joinBlocks([
    [`${paint(style, "strong", run.run_id)}  ${paint(style, TONES[run.status], outcomeOf(run))}`],
    columns(
      style,
      facts.flatMap(([name, text]) =>
        text === null ? [] : [[{ text: name, tone: "dim" } as const, { text }]],
      ),
      2,
    ),
    lines.length === 0 ? [] : renderLines(lines, style).trimEnd().split("\n"),
  ]);
}

/** Path and size of what a run left. */
export function renderArtifacts(listed: RunArtifactList, style: Style): string {
  const { artifacts, left_out, left_out_count, error, folder } = listed;
  const more = left_out_count - left_out.length;
  return joinBlocks([
    artifacts.length === 0
      ? [`${listed.run_id} has no artifacts.`]
      : columns(
          style,
          artifacts.map(({ path, bytes }) => [{ text: path }, { text: formatSize(bytes), tone: "dim" }]),
          0,
        ),
    folder === null ? [] : paragraph(style, `in ${showPath(style, folder)}`, { tone: "dim" }),
    left_out.length === 0
      ? []
      : [
          ...paragraph(style, "Left out", { tone: "strong" }),
          ...columns(
            style,
            left_out.map(({ path, why }) => [{ text: path }, { text: why, tone: "dim" }]),
            2,
          ),
          ...(more > 0 ? [`  and ${more} more`] : []),
        ],
    error === null ? [] : paragraph(style, `Not all could be looked at: ${error}`, { tone: "warning" }),
  ]);
}
