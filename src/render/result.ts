import type { CacheOutcome } from "../model/cache.ts";
import type { ApplyResult, Outcome } from "../model/outcome.ts";
import { joinBlocks, paragraph } from "./layout.ts";
import { symbolLine, BODY_INDENT } from "./change.ts";
import type { Style, Tone } from "./style.ts";
import { showEngine } from "./style.ts";
import { applySummary } from "./summary.ts";

const STATUS = {
  done: { words: "done", symbol: "✓", tone: "good" },
  failed: { words: "FAILED", symbol: "!", tone: "alarm" },
  skipped: { words: "skipped", symbol: "=", tone: "warning" },
  stale: { words: "stale, not touched", symbol: "!", tone: "warning" },
  rolled_back: { words: "ROLLED BACK", symbol: "!", tone: "alarm" },
} as const satisfies Record<Outcome["status"], { words: string; symbol: string; tone: Tone }>;

function outcomeLines(outcome: Outcome, style: Style): string[] {
  const { words, symbol, tone } = STATUS[outcome.status];
  const time =
    outcome.status === "skipped" || outcome.status === "stale" ? "" : `, ${seconds(outcome.duration_ms)}`;
  const lines = symbolLine(
    style,
    markOf(symbol, style),
    tone,
    outcome.address,
    `${outcome.action} ${words}${time}`,
  );
  const error = outcome.error;
  if (error === null) {
    return outcome.status === "done" || outcome.reason === ""
      ? lines
      : [...lines, ...paragraph(style, outcome.reason, { indent: BODY_INDENT })];
  }
  const hint =
    error.hint === null ? [] : paragraph(style, `fix: ${error.hint}`, { indent: BODY_INDENT, hang: 5 });
  return [
    ...lines,
    ...paragraph(style, `${error.message} [${error.code}]`, { indent: BODY_INDENT, hang: 2, tone: "error" }),
    ...hint,
  ];
}

function markOf(symbol: string, style: Style): string {
  return symbol === "✓" && !style.unicode ? "ok" : symbol;
}

function cacheLines({ backend, host, status, error }: CacheOutcome, style: Style): string[] {
  const { words, symbol, tone } = STATUS[status];
  return [
    ...symbolLine(style, markOf(symbol, style), tone, showEngine(backend, host), `cut down ${words}`),
    ...(error === null ? [] : paragraph(style, error, { indent: BODY_INDENT, hang: 2, tone: "error" })),
  ];
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** What became of each change, then one line. */
export function renderResult(result: ApplyResult, style: Style): string {
  return joinBlocks([
    [
      ...result.outcomes.flatMap((outcome) => outcomeLines(outcome, style)),
      ...(result.caches ?? []).flatMap((each) => cacheLines(each, style)),
    ],
    paragraph(style, applySummary(result), { tone: result.exit_code === 0 ? "strong" : "alarm" }),
  ]);
}
