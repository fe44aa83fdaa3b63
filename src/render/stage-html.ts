/** One page that shows a stage's changes: no script, no reference to anything outside, every text of theirs escaped. */
import type { ShownChange, StageConflict, StageDiff, StageHunk, StageRefusal } from "../model/stage.ts";
import { escapeText } from "./escape.ts";
import { hunkHead, lineText, stageChangeWords } from "./stage.ts";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function html(text: string): string {
  const visible = text.split("\t").map(escapeText).join("\t");
  return visible.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? "");
}

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
code, pre, summary { font-family: ui-monospace, monospace; font-size: 13px; }
details { border: 1px solid #8886; border-radius: 6px; margin: .6rem 0; overflow: hidden; }
summary { padding: .4rem .7rem; cursor: pointer; background: #8881; overflow-wrap: anywhere; }
pre { margin: 0; overflow-x: auto; }
pre span { display: block; padding: 0 .7rem; white-space: pre; min-height: 1.5em; }
.add { background: #2ea04333; } .del { background: #f8514933; } .at { color: #57aaff; } .no { opacity: .6; }
.words { opacity: .7; } .sign { font-weight: 700; display: inline-block; width: 1.2em; }
.bad { border-left: 4px solid #f85149; padding: .1rem 1rem; }
`;

const CLASSES: Readonly<Record<string, string>> = { "+": "add", "-": "del", "\\": "no" };
const SIGNS = { added: "+", modified: "~", deleted: "−", mode: "~", type: "~" } as const;

export function renderStageHtml(diff: StageDiff, shown: readonly ShownChange[]): string {
  const { stage, totals, conflicts, refusals } = diff;
  const title = `${stage.address}: ${shown.length} staged ${shown.length === 1 ? "change" : "changes"}`;
  const sum = `${totals.added} added, ${totals.modified} modified, ${totals.deleted} deleted; +${totals.lines_added} −${totals.lines_deleted} lines; since ${stage.began_at}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${html(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${html(title)}</h1>
<p>to <code>${html(stage.source)}</code> of fleet ${html(stage.fleet)}<br>${html(sum)}</p>
${conflictList(conflicts)}${refusalList(refusals)}${shown.map(changeHtml).join("\n")}
</body>
</html>
`;
}

function conflictList(conflicts: readonly StageConflict[]): string {
  if (conflicts.length === 0) return "";
  const rows = conflicts.map(
    ({ path, agent, workspace }) =>
      `<li><code>${html(path)}</code>: by the agent ${html(agent)}, in the workspace ${html(workspace)}</li>`,
  );
  return `<section class="bad"><h2>Conflicts</h2><ul>${rows.join("")}</ul></section>\n`;
}

function refusalList(refusals: readonly StageRefusal[]): string {
  if (refusals.length === 0) return "";
  const rows = refusals.map(
    ({ path, why, fix }) => `<li><code>${html(path)}</code>: ${html(why)}; ${html(fix)}</li>`,
  );
  return `<section class="bad"><h2>Refused</h2><ul>${rows.join("")}</ul></section>\n`;
}

function changeHtml({ change, hunks }: ShownChange): string {
  const words = stageChangeWords(change);
  const lines = change.lines_added === null ? "" : `+${change.lines_added} −${change.lines_deleted ?? 0}`;
  const about = [words, lines].filter(Boolean).join(", ");
  const head = `<span class="sign">${SIGNS[change.change]}</span>${html(change.path)} <span class="words">${html(about)}</span>`;
  const body = (hunks ?? []).map(hunkHtml).join("");
  return `<details open><summary>${head}</summary>${body === "" ? "" : `<pre>${body}</pre>`}</details>`;
}

function hunkHtml(hunk: StageHunk): string {
  const lines = hunk.lines.map((line) => {
    const kind = CLASSES[line.charAt(0)];
    return `<span${kind === undefined ? "" : ` class="${kind}"`}>${html(lineText(line))}</span>`;
  });
  return `<span class="at">${html(hunkHead(hunk))}</span>${lines.join("")}`;
}
