import type { LaneUse, ListedLane } from "../model/lanes.ts";
import { formatDuration, roughDuration } from "../util/duration.ts";
import { columns, joinBlocks, paragraph } from "./layout.ts";
import type { Cell } from "./layout.ts";
import type { Style } from "./style.ts";

const INDENT = 2;

/** How full a lane is, in one line. */
export function laneLine({ running, waiting, max_parallel, queue_capacity }: ListedLane): string {
  return `${running.length} of ${max_parallel} at work, ${waiting.length} of ${queue_capacity} waiting`;
}

/** Each endpoint with who works there and who waits, in the order of their turns. */
export function renderLanes(lanes: readonly ListedLane[], style: Style): string {
  const used = lanes.filter((each) => each.running.length + each.waiting.length > 0);
  if (used.length === 0) return joinBlocks([paragraph(style, "Nobody works or waits on any endpoint.")]);
  return joinBlocks(used.map((lane) => laneLines(lane, style)));
}

function laneLines(lane: ListedLane, style: Style): string[] {
  const head = paragraph(style, `${lane.engine}: ${laneLine(lane)}`, { tone: "strong" });
  const rows = [
    ...lane.running.map((each) => useRow(each, "runs")),
    ...lane.waiting.map((each, index) => useRow(each, `waits (${index + 1})`)),
  ];
  return [...head, ...columns(style, rows, INDENT)];
}

function useRow({ fleet, agent, session, run_id, pid, machine, for_s }: LaneUse, what: string): Cell[] {
  const since = for_s < 1 ? formatDuration(1000) : roughDuration(for_s * 1000);
  return [
    { text: what, tone: what === "runs" ? "good" : "warning" },
    { text: `${fleet}: ${agent}/${session}` },
    { text: `for ${since}` },
    { text: run_id, tone: "dim" },
    { text: `pid ${pid} on ${machine}`, tone: "dim" },
  ];
}
