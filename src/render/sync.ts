import type { SyncAnswer, SyncChange, SyncedWorkspace } from "../model/sync.ts";
import type { Cell } from "./layout.ts";
import { columns, count, joinBlocks, paragraph } from "./layout.ts";
import type { Style, Tone } from "./style.ts";
import { showPath } from "./style.ts";
import { roughBytes } from "./value.ts";

const SIGNS: Readonly<Record<SyncChange["change"], readonly [sign: string, tone: Tone]>> = {
  added: ["+", "create"],
  modified: ["~", "update"],
  deleted: ["-", "remove"],
  mode: ["~", "update"],
  type: ["~", "recreate"],
};

export function renderSync({ action, dry_run, workspaces }: SyncAnswer, style: Style): string {
  if (workspaces.length === 0)
    return joinBlocks([paragraph(style, "No workspace of this fleet is kept on another machine.")]);
  return joinBlocks(workspaces.flatMap((each) => blocks(each, dry_run ? "status" : action, style)));
}

function blocks(synced: SyncedWorkspace, action: SyncAnswer["action"], style: Style): string[][] {
  const { address, host, source, status, here, there, conflicts, refusals, error } = synced;
  const [mine, theirs] = [count(here.length, "change"), count(there.length, "change")];
  const place = showPath(style, source);
  const words: Readonly<Record<typeof status, string>> = {
    same:
      action === "status" ? `${place} and its copy on ${host} are alike` : `there is nothing to ${action}`,
    differs: `${mine} in ${place}, ${theirs} on ${host}`,
    moved: action === "push" ? `${mine} brought to ${host}` : `${theirs} brought to ${place}`,
    conflict: action === "status" ? `${mine} in ${place}, ${theirs} on ${host}` : "nothing was moved",
    refused: "nothing was moved",
    failed: `${error?.message ?? ""}${error?.hint ? `; ${error.hint}` : ""}`,
  };
  const shows = (side: "push" | "pull"): boolean =>
    action === side
      ? status === "moved"
      : status === "differs" || (status === "conflict" && action === "status");
  return [
    paragraph(style, `${address}: ${words[status]}`, { tone: status === "failed" ? "error" : "plain" }),
    ...(shows("push") ? [table(`In ${place}:`, here, style)] : []),
    ...(shows("pull") ? [table(`On ${host}:`, there, style)] : []),
    conflicts.length === 0
      ? []
      : [
          ...paragraph(style, `${count(conflicts.length, "conflict")}, changed on both sides:`, {
            tone: "error",
          }),
          ...conflicts.flatMap((each) =>
            paragraph(style, `${each.path}: here ${each.here}, there ${each.there}`, { indent: 2, hang: 2 }),
          ),
        ],
    refusals.length === 0 || action === "push"
      ? []
      : [
          ...paragraph(style, `${count(refusals.length, "refusal")}:`, { tone: "error" }),
          ...refusals.flatMap(({ path, why, fix }) =>
            paragraph(style, `${path}: ${why}; ${fix}`, { indent: 2, hang: 2 }),
          ),
        ],
  ];
}

function table(title: string, changes: readonly SyncChange[], style: Style): string[] {
  if (changes.length === 0) return [];
  const rows = changes.map(({ path, change, size }): Cell[] => {
    const [sign, tone] = SIGNS[change];
    return [
      { text: sign, tone },
      { text: path },
      { text: size === null ? "" : roughBytes(size), tone: "dim" },
    ];
  });
  return [...paragraph(style, title), ...columns(style, rows, 2)];
}
