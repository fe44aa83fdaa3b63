import type { RunCleanup, RunDifference } from "../model/run-answers.ts";
import type { Triage } from "../model/triage.ts";
import { count, columns, joinBlocks, paragraph } from "./layout.ts";
import { renderLines, renderRun, runRows } from "./runs.ts";
import type { Style, Tone } from "./style.ts";
import { arrow } from "./style.ts";
import { formatSize } from "./value.ts";

const WORDS: Readonly<Record<string, readonly [words: string, tone: Tone]>> = {
  would_remove: ["would be removed", "remove"],
  removed: ["removed", "remove"],
  running: ["kept: it runs", "info"],
  recent: ["kept: it is recent", "dim"],
  not_failed: ["kept: it did not fail", "dim"],
  missing_manifest: ["left alone: it has no manifest that can be read", "warning"],
  source_mismatch: ["kept: of another source", "dim"],
  held: ["kept: its runtime is held", "warning"],
  delete_failed: ["could not be removed", "alarm"],
};

/** Runs that go, or that a person may wonder about; the rest is only counted. */
const NAMED: ReadonlySet<string> = new Set([
  "would_remove",
  "removed",
  "missing_manifest",
  "held",
  "delete_failed",
]);

export function renderCleanup(cleanup: RunCleanup, style: Style): string {
  const named = cleanup.entries.filter(({ reason }) => NAMED.has(reason));
  const rows = named.map(({ id, reason, bytes, error }) => {
    const [words, tone] = WORDS[reason] ?? [reason, "plain"];
    const size = bytes > 0 ? formatSize(bytes) : "";
    return [{ text: id }, { text: size, tone: "dim" as const }, { text: error ?? words, tone }];
  });
  const counts = Object.entries(cleanup.counts)
    .filter(([, amount]) => amount > 0)
    .map(([reason, amount]) => `${amount} ${WORDS[reason]?.[0] ?? reason}`);
  const freed =
    cleanup.bytes === 0
      ? ""
      : `; ${formatSize(cleanup.bytes)} ${cleanup.dry_run ? "would be freed" : "freed"}`;
  const total = cleanup.entries.length === 0 ? "No runs." : `${counts.join(", ")}${freed}.`;
  return joinBlocks([columns(style, rows, 0), paragraph(style, total, { tone: "strong" })]);
}

function differenceRows(differences: readonly RunDifference[], style: Style): string[] {
  return columns(
    style,
    differences.map(({ field, before, now }) => [
      { text: field },
      { text: `${before ?? "(none)"} ${arrow(style)} ${now ?? "(none)"}`, tone: "update" as const },
    ]),
    2,
  );
}

/** Said before a command runs again. */
export function renderDifferences(
  runId: string,
  differences: readonly RunDifference[],
  style: Style,
): string {
  if (differences.length === 0)
    return `${paragraph(style, `Runs ${runId} again, under the same.`).join("\n")}\n`;
  const words = `Runs ${runId} again; not as it was then:`;
  return joinBlocks([
    [...paragraph(style, words, { tone: "warning" }), ...differenceRows(differences, style)],
  ]);
}

export function renderTriage(triage: Omit<Triage, "rerun" | "bundle">, style: Style, now: number): string {
  const { run, diagnosis, runtime, unobserved, drift, similar, lines } = triage;
  const heading = (text: string): string[] => paragraph(style, text, { tone: "strong" });
  const there =
    unobserved !== null
      ? `cannot be seen: ${unobserved}`
      : runtime === null
        ? run.address === null
          ? "it ran on the host"
          : `${run.address} does not exist now`
        : `${runtime.address} is ${runtime.status}, config ${runtime.config}; ${runtime.same ? "the very one it ran in" : "another one than it ran in"}`;
  return joinBlocks([
    renderRun({ ...triage, lines: [] }, style)
      .trimEnd()
      .split("\n"),
    [
      ...heading("Why"),
      ...paragraph(style, diagnosis.what, { indent: 2 }),
      ...paragraph(style, diagnosis.next, { indent: 2, tone: "dim" }),
    ],
    lines.length === 0 ? [] : [...heading("Last lines"), ...renderLines(lines, style).trimEnd().split("\n")],
    [...heading("Runtime now"), ...paragraph(style, there, { indent: 2 })],
    drift.length === 0 ? [] : [...heading("Differs since"), ...differenceRows(drift, style)],
    similar.length === 0
      ? []
      : [
          ...heading(`${count(similar.length, "run")} that failed alike`),
          ...columns(style, runRows(similar, style, now), 2),
        ],
  ]);
}
