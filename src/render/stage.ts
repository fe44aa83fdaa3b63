import type {
  ShownChange,
  StageApply,
  StageChange,
  StageConflict,
  StageDiff,
  StageDiscard,
  StageHunk,
  StageList,
  StageRefusal,
} from "../model/stage.ts";
import { textOfBytes } from "../util/shown-bytes.ts";
import { escapeText } from "./escape.ts";
import type { Cell } from "./layout.ts";
import { columns, count, joinBlocks, paragraph } from "./layout.ts";
import type { Style, Tone } from "./style.ts";
import { paint, showPath } from "./style.ts";
import { formatAge, roughBytes } from "./value.ts";

const heading = (...titles: readonly string[]): Cell[] => titles.map((text) => ({ text, tone: "dim" }));

export function renderStageList({ stages, broken }: StageList, style: Style): string {
  if (stages.length + broken.length === 0) return joinBlocks([paragraph(style, "There is no stage.")]);
  const rows = stages.map(({ address, age_s, mechanism, changes, conflicts, busy, error }): Cell[] => {
    const { added, modified, deleted } = changes;
    const all = added + modified + deleted;
    const state =
      error !== null
        ? "broken"
        : all === 0
          ? "no changes"
          : `${count(all, "change")}: +${added} ~${modified} -${deleted}`;
    const rest = [conflicts > 0 ? count(conflicts, "conflict") : "", busy > 0 ? "in use" : ""].filter(
      Boolean,
    );
    return [
      { text: address },
      { text: formatAge(age_s) },
      { text: mechanism },
      { text: [state, ...rest].join("; "), tone: error === null ? "plain" : "warning" },
    ];
  });
  const faults = [...broken, ...stages].flatMap(({ address, error, fix }) =>
    error === null
      ? []
      : paragraph(style, [`${address}: ${error}`, ...(fix === null ? [] : [fix])].join(". "), {
          tone: "warning",
        }),
  );
  const table = columns(style, [heading("ADDRESS", "BEGAN", "KEPT BY", "STATE"), ...rows], 0);
  return joinBlocks([rows.length === 0 ? [] : table, faults]);
}

const SIGNS: Readonly<Record<StageChange["change"], readonly [sign: string, tone: Tone]>> = {
  added: ["+", "create"],
  modified: ["~", "update"],
  deleted: ["-", "remove"],
  mode: ["~", "update"],
  type: ["~", "recreate"],
};

/** What changed about a path besides its lines. */
export function stageChangeWords({
  change,
  before,
  after,
  renamed_from,
  binary,
  ignored,
}: StageChange): string {
  const size = (after ?? before)?.size ?? 0;
  const words: string[] = [];
  if (renamed_from !== null) words.push(`renamed from ${renamed_from}`);
  const side = after ?? before;
  if (change === "type") words.push(`${before?.kind ?? ""} turned into a ${after?.kind ?? ""}`);
  else if (side?.kind === "folder") words.push("folder");
  else if (side?.kind === "link") words.push(`link to ${side.target ?? ""}`);
  if (before?.mode !== after?.mode && before?.mode && after?.mode)
    words.push(`${before.mode} to ${after.mode}`);
  else if (change === "added" && after?.mode === "0755" && after.kind === "file") words.push("can be run");
  if (binary) words.push(`binary, ${roughBytes(size)}`);
  if (ignored) words.push("ignored by git: stays in the stage");
  return words.join(", ");
}

function lineCount({ lines_added, lines_deleted }: StageChange): string {
  if (lines_added === null || lines_deleted === null) return "";
  return [lines_added > 0 ? `+${lines_added}` : "", lines_deleted > 0 ? `-${lines_deleted}` : ""]
    .filter(Boolean)
    .join(" ");
}

function statTable(changes: readonly StageChange[], style: Style): string[] {
  const rows = changes.map((each): Cell[] => {
    const [sign, tone] = SIGNS[each.change];
    return [
      { text: sign, tone },
      { text: each.path },
      { text: lineCount(each), tone: "dim" },
      { text: stageChangeWords(each) },
    ];
  });
  return columns(style, rows, 2);
}

export function renderStageDiff(
  { stage, changes, conflicts, refusals, totals }: StageDiff,
  shown: readonly ShownChange[],
  style: Style,
  stat: boolean,
): string {
  const head = `${stage.address}: ${count(changes.length, "change")} to ${showPath(style, stage.source)}`;
  if (changes.length === 0) return joinBlocks([paragraph(style, head)]);
  const { added, modified, deleted, lines_added, lines_deleted } = totals;
  const sum = `${added} added, ${modified} modified, ${deleted} deleted; +${lines_added} -${lines_deleted} lines`;
  return joinBlocks([
    paragraph(style, head, { tone: "strong" }),
    ...(stat ? [statTable(changes, style)] : shown.map((each) => changeBlock(each, style))),
    paragraph(style, sum),
    ...against(conflicts, refusals, style),
  ]);
}

function changeBlock({ change, hunks }: ShownChange, style: Style): string[] {
  const [sign, tone] = SIGNS[change.change];
  const words = stageChangeWords(change);
  const head =
    paint(style, tone, escapeText(`${sign} ${change.path}`)) +
    (words === "" ? "" : `  (${escapeText(words)})`);
  return [head, ...(hunks ?? []).flatMap((hunk) => hunkLines(hunk, style))];
}

const LINE_TONES: Readonly<Record<string, Tone>> = { "+": "create", "-": "remove", "\\": "dim" };

export function hunkHead({ old_start, old_lines, new_start, new_lines }: StageHunk): string {
  return `@@ -${old_start},${old_lines} +${new_start},${new_lines} @@`;
}

/** A line of bytes as text. */
export function lineText(line: string): string {
  return textOfBytes(Buffer.from(line, "latin1"));
}

function hunkLines(hunk: StageHunk, style: Style): string[] {
  const lines = hunk.lines.map((line) => {
    const tone = LINE_TONES[line.charAt(0)] ?? "plain";
    // A tab is part of a line; everything else that moves the cursor is shown as what it is.
    const text = lineText(line).split("\t").map(escapeText).join("\t");
    return paint(style, tone, `    ${text}`);
  });
  return [paint(style, "info", `    ${hunkHead(hunk)}`), ...lines];
}

function against(
  conflicts: readonly StageConflict[],
  refusals: readonly StageRefusal[],
  style: Style,
): string[][] {
  const clashes = conflicts.flatMap(({ path, agent, workspace }) =>
    paragraph(style, `${path}: by the agent ${agent}, in the workspace ${workspace}`, { indent: 2, hang: 2 }),
  );
  const denials = refusals.flatMap(({ path, why, fix, key, file, line }) => {
    const place =
      key === null
        ? ""
        : ` (${key}${file === null ? ", built-in" : `, ${showPath(style, file)}:${line ?? ""}`})`;
    return paragraph(style, `${path}: ${why}${place}; ${fix}`, { indent: 2, hang: 2 });
  });
  return [
    clashes.length === 0
      ? []
      : [
          ...paragraph(style, `${count(conflicts.length, "conflict")}, changed on both sides:`, {
            tone: "error",
          }),
          ...clashes,
        ],
    denials.length === 0
      ? []
      : [...paragraph(style, `${count(refusals.length, "refusal")}:`, { tone: "error" }), ...denials],
  ];
}

const APPLIED: Readonly<Record<StageApply["status"], (changes: string, source: string) => string>> = {
  applied: (changes, source) => `${changes} applied to ${source}`,
  reversed: (changes, source) => `${changes} taken back from ${source}`,
  nothing: () => "there is nothing to do",
  refused: () => "nothing was done",
  declined: () => "nothing was done",
};

export function renderStageApply(answer: StageApply, style: Style): string {
  const { stage, status, applied, left, conflicts, refusals } = answer;
  const words = APPLIED[status](count(applied.length, "change"), showPath(style, stage.source));
  const rest = left.length === 0 ? "" : `; ${count(left.length, "path")} left as before`;
  return joinBlocks([
    paragraph(style, `${stage.address}: ${words}${rest}`),
    status === "applied" || status === "reversed" ? statTable(applied, style) : [],
    ...against(conflicts, refusals, style),
  ]);
}

/** What a person is asked about. */
export function renderStageQuestion(changes: readonly StageChange[], style: Style): string {
  return joinBlocks([statTable(changes, style)]);
}

export function renderStageDiscard({ stage, status, discarded, left }: StageDiscard, style: Style): string {
  const words = {
    discarded: `${count(discarded.length, "change")} discarded`,
    nothing: "there is nothing to discard",
    declined: "nothing was discarded",
  }[status];
  const rest = left.length === 0 ? "" : `; ${count(left.length, "change")} left in the stage`;
  return joinBlocks([paragraph(style, `${stage.address}: ${words}${rest}`)]);
}
