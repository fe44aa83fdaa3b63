import type { Impact } from "../model/impact.ts";
import { MOST_CHANGED_PATHS } from "../model/observed.ts";
import type { Action, Change, Reason } from "../model/plan.ts";
import { rolloutWords } from "../model/rollout.ts";
import type { Cell } from "./layout.ts";
import { cells, columns, count, paragraph } from "./layout.ts";
import { escapeText } from "./escape.ts";
import type { Style, Tone } from "./style.ts";
import { arrow, paint, showEngine, showSource } from "./style.ts";
import { formatAge, formatValue, memberChanges, roughBytes } from "./value.ts";

interface Symbol {
  readonly text: string;
  readonly tone: Tone;
}

/** The first row whose action is among a change's actions names the change. */
const SYMBOLS: readonly (readonly [action: Action, symbol: Symbol])[] = [
  ["recreate", { text: "-/+", tone: "recreate" }],
  ["repair", { text: "!", tone: "alarm" }],
  ["create", { text: "+", tone: "create" }],
  ["remove", { text: "-", tone: "remove" }],
  ["update", { text: "~", tone: "update" }],
  ["start", { text: "~", tone: "update" }],
  ["adopt", { text: "=", tone: "info" }],
];

const NOTHING: Symbol = { text: "=", tone: "dim" };

/** Where the text of a change begins, right of the symbols. */
export const BODY_INDENT = 6;
const MARGIN = 4;

export function isNoOp(change: Change): boolean {
  return change.actions.every((action) => action === "no-op");
}

function symbolOf(change: Change): Symbol {
  return SYMBOLS.find(([action]) => change.actions.includes(action))?.[1] ?? NOTHING;
}

/** `-/+ agent/work`, with every symbol right-aligned to the same column. */
export function symbolLine(style: Style, symbol: string, tone: Tone, head: string, rest: string): string[] {
  const margin = " ".repeat(Math.max(0, MARGIN - 1 - symbol.length));
  const name = escapeText(head);
  const details = escapeText(rest);
  const line = `${margin}${paint(style, tone, symbol)} ${paint(style, "strong", name)}`;
  if (rest === "") return [line];
  if (MARGIN + cells(name) + 2 + cells(details) <= style.width)
    return [`${line}  ${paint(style, "dim", details)}`];
  return [line, ...paragraph(style, rest, { indent: BODY_INDENT, tone: "dim" })];
}

function reasonRow(style: Style, reason: Reason): readonly Cell[] {
  const path = reason.path;
  const values = `${formatValue(path, reason.before)} ${arrow(style)} ${formatValue(path, reason.after)}`;
  const tail = reason.class === "ignored" ? "no effect" : showSource(style, reason.source);
  return [
    { text: `${path}:` },
    { text: values, tone: reason.class === "ignored" ? "dim" : "plain" },
    { text: tail, tone: "dim" },
  ];
}

/** Values longer than this are told member by member where they are lists or tables. */
const INLINE = 64;

function isInline(style: Style, reason: Reason): boolean {
  const [, values] = reasonRow(style, reason);
  return cells(values?.text ?? "") <= INLINE || memberChanges(reason.before, reason.after, "") === undefined;
}

function memberLines(style: Style, reason: Reason): string[] {
  const tones = { "+": "create", "-": "remove", "~": "update" } as const;
  const head = [
    { text: `${reason.path}:` },
    { text: showSource(style, reason.source), tone: "dim" },
  ] as const satisfies Cell[];
  const members = memberChanges(reason.before, reason.after, arrow(style)) ?? [];
  return [
    ...columns(style, [head], BODY_INDENT),
    ...members.flatMap(({ sign, text }) =>
      paragraph(style, `${sign} ${text}`, { indent: BODY_INDENT + 2, hang: 2, tone: tones[sign] }),
    ),
  ];
}

function reasonLines(style: Style, change: Change, verbose: boolean): string[] {
  if (verbose) {
    return change.reasons.flatMap((reason) => [
      ...(isInline(style, reason)
        ? columns(style, [reasonRow(style, reason)], BODY_INDENT)
        : memberLines(style, reason)),
      ...paragraph(style, [reason.why, reason.key === null ? "" : `(${reason.key})`].join(" ").trim(), {
        indent: BODY_INDENT + 4,
        tone: "dim",
      }),
    ]);
  }
  const inline = change.reasons.filter((reason) => isInline(style, reason));
  const long = change.reasons.filter((reason) => !isInline(style, reason));
  return [
    ...columns(
      style,
      inline.map((reason) => reasonRow(style, reason)),
      BODY_INDENT,
    ),
    ...long.flatMap((reason) => memberLines(style, reason)),
  ];
}

function rolloutLines(style: Style, { rollout }: Change): string[] {
  const words = rollout === null ? undefined : rolloutWords(rollout);
  return words === undefined ? [] : paragraph(style, words, { indent: BODY_INDENT, hang: 2, tone: "info" });
}

/** What a person loses or waits for: told for what stops or removes a runtime. */
function impactLines(style: Style, change: Change, verbose: boolean): string[] {
  const { impact } = change;
  const parts = [
    impact.downtime ? "stops what runs there" : "",
    impact.busy > 0 ? `busy with ${count(impact.busy, "run")}` : "",
    impact.downtime && impact.idle_s !== null ? `idle for ${formatAge(impact.idle_s)}` : "",
    impact.workspace === "lost" ? lostWorkspace(change) : "",
    impact.workspace === "reseeded" ? reseededWorkspace(change) : "",
    change.protection.protected
      ? `protected${change.protection.rule === null ? "" : ` (${change.protection.rule})`}`
      : "",
  ].filter((part) => part !== "");
  const tone = impact.workspace === "kept" ? "dim" : "alarm";
  const lost = lossText(style, impact, verbose);
  return [
    ...(parts.length === 0 ? [] : [`impact: ${parts.join(", ")}`]),
    ...(lost === undefined ? [] : [lost]),
  ].flatMap((text) => paragraph(style, text, { indent: BODY_INDENT, hang: 2, tone }));
}

/** No runtime is there through which a bundle could be made of what is kept for it. */
function lostWorkspace({ actions, object_id }: Change): string {
  const asleep = actions.includes("remove") && object_id === null;
  return asleep
    ? "THE WORKSPACE IS LOST: its volume is deleted, and no bundle of it is kept"
    : "THE WORKSPACE IS LOST";
}

function reseededWorkspace({ object_id }: Change): string {
  const bundle = object_id === null ? ", and no bundle of it is kept" : "";
  return `THE WORKSPACE IS LOST and seeded again from its source${bundle}`;
}

/** Paths shown where nobody asked for all that the plan holds. */
const FEW_PATHS = 4;

const BUNDLE = "a bundle of it is kept first (sandkeep salvage)";

/** `would lose 5.1 MiB in 41 files: /opt/x, /root/.cache/`. */
function lossText(style: Style, impact: Impact, verbose: boolean): string | undefined {
  if (impact.rw_unknown !== undefined) {
    const unknown = `what it would lose is not known: ${impact.rw_unknown}`;
    return impact.salvage ? `${unknown}; ${BUNDLE}` : unknown;
  }
  const { rw_bytes: bytes, rw_files: files, rw_deleted: deleted, rw_paths: paths } = impact;
  if (bytes === null || files === null || (files === 0 && paths.length === 0 && !deleted)) return undefined;
  const shown = paths.slice(0, verbose ? paths.length : FEW_PATHS);
  const rest = paths.length > shown.length || paths.length >= MOST_CHANGED_PATHS || impact.rw_more;
  const ellipsis = style.unicode ? "…" : "...";
  const least = impact.rw_more ? "more than " : "";
  const where = [...shown, ...(rest && shown.length > 0 ? [ellipsis] : [])].join(", ");
  const parts = [
    `would lose ${least}${roughBytes(bytes)} in ${count(files, "file")}${where === "" ? "" : `: ${where}`}`,
    deleted === null || deleted === 0
      ? ""
      : `${count(deleted, "deletion")} of the image's files would be undone`,
    impact.salvage ? BUNDLE : "",
    excessText(impact),
  ];
  return parts.filter((part) => part !== "").join("; ");
}

/** What is measured includes what the bundle excludes, so that it may fit after all. */
function excessText({ salvage_excess: excess }: Impact): string {
  if (excess === undefined) return "";
  const limit = `THAT IS MORE THAN A BUNDLE MAY HOLD (${roughBytes(excess.max_bytes)})`;
  return excess.oversize === "truncate"
    ? `${limit}: of what is not excluded, the rest is lost`
    : `${limit}: unless what is not excluded fits, this fails and leaves it as it is; raise sandbox.salvage.max_bytes, exclude more, set oversize = "truncate", or give --no-salvage`;
}

/** One change: symbol and address, why, each reason with old and new value and where the config says so. */
export function changeLines(style: Style, change: Change, verbose: boolean): string[] {
  const symbol = symbolOf(change);
  const rest = `${change.actions.join(", ")} (${showEngine(change.backend, change.host)})`;
  const lines = symbolLine(style, symbol.text, symbol.tone, change.address, isNoOp(change) ? "" : rest);
  lines.push(...paragraph(style, change.why, { indent: BODY_INDENT }));
  if (isNoOp(change)) return lines;
  lines.push(...rolloutLines(style, change));
  lines.push(...reasonLines(style, change, verbose));
  if (verbose) {
    const { before, after } = change.hashes;
    const id = change.object_id === null ? "" : `, object ${change.object_id}`;
    const hash = `spec ${before ?? "(none)"} ${arrow(style)} ${after ?? "(none)"}`;
    lines.push(
      ...paragraph(style, `name ${change.name}${id}`, { indent: BODY_INDENT, hang: 2, tone: "dim" }),
    );
    lines.push(...paragraph(style, hash, { indent: BODY_INDENT, hang: 2, tone: "dim" }));
  }
  lines.push(...impactLines(style, change, verbose));
  return lines;
}
