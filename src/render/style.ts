/**
 * Text for people, from plain data of `src/model`. In: a value and a `Style`; out: one string without trailing blanks.
 * Nothing here prints, reads the environment or the clock, or decides anything; every string is escaped before it is shown.
 */
import { relative } from "node:path";
import { styleText } from "node:util";
import { escapeText } from "./escape.ts";

/** How the reader's terminal is; the caller finds out from the stream. */
export interface Style {
  readonly colour: boolean;
  /** Columns to fill at most. */
  readonly width: number;
  /** False draws `->` and `...` where the terminal may not know more. */
  readonly unicode: boolean;
  /** Paths below this folder are shown relative to it. */
  readonly cwd?: string;
}

/** What a text means; colours only repeat what the words say. */
export type Tone =
  | "create"
  | "update"
  | "recreate"
  | "remove"
  | "alarm"
  | "error"
  | "warning"
  | "info"
  | "good"
  | "strong"
  | "dim"
  | "plain";

const FORMATS = {
  create: "green",
  update: "yellow",
  recreate: "magenta",
  remove: "red",
  alarm: ["bold", "red"],
  error: "red",
  warning: "yellow",
  info: "cyan",
  good: "green",
  strong: "bold",
  dim: "dim",
  plain: undefined,
} as const satisfies Record<Tone, Parameters<typeof styleText>[0] | undefined>;

/** The text in a tone's colour, or as it is. The stream was asked by whoever made the style. */
export function paint(style: Style, tone: Tone, text: string): string {
  const format = FORMATS[tone];
  if (!style.colour || format === undefined || text === "") return text;
  return styleText(typeof format === "string" ? format : [...format], text, { validateStream: false });
}

export function arrow(style: Style): string {
  return style.unicode ? "→" : "->";
}

/** A file name for people: relative when that is shorter and stays below the folder. */
export function showPath(style: Style, file: string): string {
  if (style.cwd === undefined || !file.startsWith("/")) return escapeText(file);
  const near = relative(style.cwd, file);
  return escapeText(near === "" || near.startsWith("..") ? file : near);
}

/** `file:line`, or an empty text for what no file says. */
export function showSource(
  style: Style,
  source: { readonly file: string | null; readonly line: number | null } | null,
): string {
  if (source === null || source.file === null) return "";
  return source.line === null
    ? showPath(style, source.file)
    : `${showPath(style, source.file)}:${source.line}`;
}

/** `docker`, or `docker on build1` when it is not this machine's own engine. */
export function showEngine(backend: string, host: string): string {
  return host === "local" ? backend : `${backend} on ${host}`;
}
