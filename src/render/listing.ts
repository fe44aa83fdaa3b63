import Table from "cli-table3";
import type { ListedRuntime, Listing } from "../model/listing.ts";
import { escapeText } from "./escape.ts";
import { cells, columns, joinBlocks, paragraph } from "./layout.ts";
import type { Style, Tone } from "./style.ts";
import { paint, showEngine } from "./style.ts";
import { formatAge } from "./value.ts";

interface Column {
  readonly title: string;
  /** Columns with the highest number leave first when the terminal is narrow; 0 never leaves. */
  readonly leaves: number;
  readonly text: (runtime: ListedRuntime) => string;
  readonly tone?: (runtime: ListedRuntime) => Tone;
}

const STATUS_TONES = {
  ready: "good",
  running: "good",
  stopped: "warning",
  created: "warning",
  missing: "warning",
  unhealthy: "alarm",
  unreachable: "alarm",
} as const satisfies Record<ListedRuntime["status"], Tone>;

const CONFIG_TONES = { match: "good", drift: "update", unknown: "warning" } as const satisfies Record<
  ListedRuntime["config"],
  Tone
>;

const COLUMNS: readonly Column[] = [
  { title: "ADDRESS", leaves: 0, text: (runtime) => runtime.address },
  {
    title: "STATUS",
    leaves: 0,
    text: (runtime) =>
      [
        runtime.status,
        runtime.role === "primary" ? "" : runtime.role,
        runtime.busy ? "busy" : "",
        runtime.held ? "held" : "",
        runtime.watch ?? "",
      ]
        .filter(Boolean)
        .join(", "),
    tone: (runtime) => STATUS_TONES[runtime.status],
  },
  {
    title: "CONFIG",
    leaves: 0,
    text: (runtime) => runtime.config,
    tone: (runtime) => CONFIG_TONES[runtime.config],
  },
  { title: "BACKEND", leaves: 1, text: (runtime) => showEngine(runtime.backend, runtime.host) },
  { title: "IMAGE", leaves: 4, text: (runtime) => runtime.image ?? "" },
  { title: "AGE", leaves: 3, text: (runtime) => formatAge(runtime.age_s) },
  { title: "IDLE", leaves: 2, text: (runtime) => formatAge(runtime.idle_s) },
  { title: "NAME", leaves: 5, text: (runtime) => runtime.name },
];

const GAP = 2;

/** The columns that fit, with their widths; the address gives way only when nothing else can leave. */
function fit(runtimes: readonly ListedRuntime[], width: number): { column: Column; width: number }[] {
  let chosen = COLUMNS.map((column) => ({
    column,
    width:
      GAP +
      runtimes.reduce(
        (most, each) => Math.max(most, cells(escapeText(column.text(each)))),
        cells(column.title),
      ),
  }));
  const total = () => chosen.reduce((sum, each) => sum + each.width, 0) - GAP;
  while (total() > width) {
    const last = Math.max(...chosen.map((each) => each.column.leaves));
    if (last === 0) break;
    chosen = chosen.filter((each) => each.column.leaves !== last);
  }
  const excess = total() - width;
  return chosen.map((each, index) =>
    index === 0 && excess > 0 ? { ...each, width: Math.max(12, each.width - excess) } : each,
  );
}

const NO_RULES = Object.fromEntries(
  [
    ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
  ]
    .flat()
    .map((name) => [name, ""]),
);

function table(runtimes: readonly ListedRuntime[], style: Style): string[] {
  const fitted = fit(runtimes, style.width);
  const grid = new Table({
    chars: NO_RULES,
    style: { "padding-left": 0, "padding-right": GAP, head: [], border: [], compact: true },
    colWidths: fitted.map((each) => each.width),
    truncate: style.unicode ? "…" : "~",
    head: fitted.map((each) => paint(style, "strong", each.column.title)),
  });
  for (const runtime of runtimes) {
    grid.push(
      fitted.map(({ column }) =>
        paint(style, column.tone?.(runtime) ?? "plain", escapeText(column.text(runtime))),
      ),
    );
  }
  return grid
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
}

const NETWORK_TONES = { ready: "good", closed: "alarm", missing: "warning", orphan: "warning" } as const;

function networks({ networks: listed = [] }: Listing, style: Style): string[] {
  if (listed.length === 0) return [];
  return [
    ...paragraph(style, "Networks", { tone: "strong" }),
    ...columns(
      style,
      listed.map((each) => [
        { text: each.network },
        { text: each.status, tone: NETWORK_TONES[each.status] },
        { text: showEngine(each.backend, each.host), tone: "dim" },
        { text: each.gate === null ? "" : `only ${each.gate.allow.join(", ") || "nothing"}` },
      ]),
      2,
    ),
  ];
}

function unobserved({ unobserved: engines }: Listing, style: Style): string[] {
  if (engines.length === 0) return [];
  const heading = "NOT SEEN: these engines gave no answer, and what they hold is unknown";
  return [
    ...paragraph(style, heading, { tone: "alarm" }),
    ...columns(
      style,
      engines.map((each) => [{ text: showEngine(each.backend, each.host) }, { text: each.message }]),
      2,
    ),
  ];
}

function degradedHosts({ degraded_hosts: hosts = [] }: Listing, style: Style): string[] {
  return hosts.flatMap(({ host, why, blocks }) =>
    paragraph(style, `Host ${host} is degraded${blocks ? ", nothing new is made there" : ""}: ${why}`, {
      tone: blocks ? "alarm" : "warning",
      hang: 2,
    }),
  );
}

/** What exists and should exist, then dormant, orphaned and foreign ones. Narrow terminals get fewer columns. */
export function renderListing(listing: Listing, style: Style): string {
  const orphans = listing.orphans;
  const heading = (text: string) => paragraph(style, text, { tone: "strong" });
  return joinBlocks([
    listing.runtimes.length === 0
      ? [listing.unobserved.length === 0 ? "No runtimes." : "No runtimes among what could be seen."]
      : table(listing.runtimes, style),
    networks(listing, style),
    unobserved(listing, style),
    degradedHosts(listing, style),
    orphans.length === 0
      ? []
      : [...heading("Orphans: of this fleet and no longer declared"), ...table(orphans, style)],
    listing.dormant.length === 0
      ? []
      : [
          ...heading("Dormant: pruned, waiting for their next use"),
          ...columns(
            style,
            listing.dormant.map((each) => [
              { text: each.address },
              { text: `since ${each.since}`, tone: "dim" },
              { text: each.reason },
            ]),
            2,
          ),
        ],
    listing.foreign.length === 0
      ? []
      : [
          ...heading("Foreign: not of this fleet, never touched"),
          ...columns(
            style,
            listing.foreign.map((each) => [
              { text: each.name },
              { text: showEngine(each.backend, each.host), tone: "dim" },
              { text: each.why },
            ]),
            2,
          ),
          ...listing.foreign.flatMap(({ name, hint }) =>
            hint === undefined ? [] : paragraph(style, `${name}: ${hint}`, { tone: "dim" }),
          ),
        ],
  ]);
}
