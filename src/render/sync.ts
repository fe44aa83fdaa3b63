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
  return joinBlocks(workspaces.flatMap((each) => blocks(each, { action, dry_run }, style)));
}

type Asked = Pick<SyncAnswer, "action" | "dry_run">;

function blocks(synced: SyncedWorkspace, { action, dry_run }: Asked, style: Style): string[][] {
  const looks = dry_run || action === "status";
  const { address, host, source, status, here, there, conflicts, overwritten, refusals, error } = synced;
  const [mine, theirs] = [count(here.length, "change"), count(there.length, "change")];
  const place = showPath(style, source);
  const words: Readonly<Record<typeof status, string>> = {
    same:
      action === "status" ? `${place} and its copy on ${host} are alike` : `there is nothing to ${action}`,
    differs: `${mine} in ${place}, ${theirs} on ${host}`,
    moved: action === "push" ? `${mine} brought to ${host}` : `${theirs} brought to ${place}`,
    conflict: looks ? `${mine} in ${place}, ${theirs} on ${host}` : "nothing was moved",
    refused: "nothing was moved",
    failed: `${error?.message ?? ""}${error?.hint ? `; ${error.hint}` : ""}`,
  };
  const shows = (side: "push" | "pull"): boolean =>
    !looks && action === side ? status === "moved" : status === "differs" || (status === "conflict" && looks);
  return [
    paragraph(style, `${address}: ${words[status]}`, { tone: status === "failed" ? "error" : "plain" }),
    ...(shows("push") ? [table(`In ${place}:`, here, style)] : []),
    ...(shows("pull") ? [table(`On ${host}:`, there, style)] : []),
    sides(conflicts, `${count(conflicts.length, "conflict")}, changed on both sides:`, style),
    sides(
      overwritten,
      overwrittenWords(overwritten, action === "push" ? `on ${host}` : "here", status),
      style,
    ),
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

/** What `--force` asks about. */
export function renderOverwritten(
  overwritten: SyncedWorkspace["overwritten"],
  loser: string,
  style: Style,
): string {
  return joinBlocks([sides(overwritten, overwrittenWords(overwritten, loser, "differs"), style)]);
}

function overwrittenWords(
  overwritten: SyncedWorkspace["overwritten"],
  loser: string,
  status: SyncedWorkspace["status"],
): string {
  const said = status === "moved" ? "overwritten" : "to be overwritten";
  return `${count(overwritten.length, "path")} ${said} ${loser}, changed on both sides:`;
}

function sides(conflicts: SyncedWorkspace["conflicts"], title: string, style: Style): string[] {
  if (conflicts.length === 0) return [];
  return [
    ...paragraph(style, title, { tone: "error" }),
    ...conflicts.flatMap((each) =>
      paragraph(style, `${each.path}: here ${each.here}, there ${each.there}`, { indent: 2, hang: 2 }),
    ),
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
