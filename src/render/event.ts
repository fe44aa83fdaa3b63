import type { EventBody } from "../model/event.ts";
import { formatDuration } from "../util/duration.ts";
import { escapeText } from "./escape.ts";
import { count } from "./layout.ts";

export type EventLevel = "debug" | "info" | "warn" | "error";

export interface EventLine {
  readonly level: EventLevel;
  readonly text: string;
}

/** Steps that can take long enough for a person to wonder. */
const SLOW: ReadonlySet<string> = new Set(["fetch", "seed", "setup"]);

const CHANGE_LEVELS: Readonly<Record<string, EventLevel>> = {
  failed: "error",
  rolled_back: "error",
  stale: "warn",
};
const SEVERITIES = { error: "error", warning: "warn", info: "info" } as const;

type Of<T extends EventBody["type"]> = Extract<EventBody, { type: T }>;
type Describe = { readonly [T in EventBody["type"]]: (event: Of<T>) => EventLine };

function line(level: EventLevel, text: string): EventLine {
  return { level, text };
}

const because = (error: string | null): string => (error === null ? "" : `: ${error}`);
/** Who a step is for; fetching an image is for all that need it. */
const whose = (address: string, step: string): string => (address === "" ? step : `${address}: ${step}`);
const after = (ms: number): string =>
  ms < 1000 ? `${Math.round(ms)}ms` : formatDuration(Math.round(ms / 1000) * 1000);

const resync = (seconds: number): string =>
  seconds === 0
    ? "looking again only when something happens"
    : `looking at everything every ${formatDuration(seconds * 1000)}`;

const DESCRIBE: Describe = {
  diagnostic: ({ diagnostic }) => {
    const place = [diagnostic.file, diagnostic.line, diagnostic.column]
      .filter((part) => part !== undefined)
      .join(":");
    const text = `${place === "" ? "" : `${place}: `}${diagnostic.message} [${diagnostic.code}]`;
    return line(SEVERITIES[diagnostic.severity], text);
  },
  note: (event) => line(event.level, event.message),
  "apply.started": (event) =>
    line("debug", `applying ${count(event.changes, "change")} in ${count(event.steps, "step")}`),
  "step.started": (event) =>
    line(SLOW.has(event.op) ? "info" : "debug", `${whose(event.address, event.op)} (${event.cause})`),
  "step.progress": (event) => {
    const share = event.fraction === null ? "" : ` ${Math.round(event.fraction * 100)}%`;
    return line("debug", `${whose(event.address, event.op)}${share} ${event.message}`.trimEnd());
  },
  "step.finished": (event) =>
    line(
      "debug",
      `${whose(event.address, event.op)} ${event.status} after ${after(event.duration_ms)}${because(event.error)}`,
    ),
  "change.finished": (event) =>
    line(
      CHANGE_LEVELS[event.status] ?? "info",
      `${event.address}: ${event.action} ${event.status.replace("_", " ")} after ${after(event.duration_ms)}${because(event.error)}`,
    ),
  "apply.finished": (event) => line("debug", `applied, exit code ${event.exit_code}`),
  "watch.started": (event) => line("info", `watching fleet ${event.fleet}, ${resync(event.resync_s)}`),
  "watch.triggered": (event) => line("debug", `${event.key}: triggered by ${event.trigger}`),
  "watch.cycle": (event) =>
    line(
      event.exit_code === 0 ? "info" : "warn",
      `${event.key}: ${count(event.changes, "change")}, exit code ${event.exit_code}, after ${after(event.duration_ms)}`,
    ),
  "watch.config": (event) =>
    event.status === "loaded"
      ? line("info", event.message)
      : line(
          "error",
          `CONFIG INVALID, the last good one stays in force: ${event.message} (${count(event.errors, "error")})`,
        ),
  "watch.backoff": (event) =>
    line(
      "warn",
      `${event.address}: attempt ${event.attempt} failed, again in ${after(event.retry_in_ms)}: ${event.why}`,
    ),
  "watch.stalled": (event) => line("error", `${event.address}: STALLED, left alone: ${event.why}`),
  "watch.stopped": (event) =>
    line("info", `stopped (${event.reason})${event.drained ? "" : ", with work cut short"}`),
};

/** One event as one line for people, without time. */
export function eventLine(event: EventBody): EventLine {
  const { level, text } = describe(event);
  return { level, text: escapeText(text) };
}

function describe<T extends EventBody["type"]>(event: Of<T> & { readonly type: T }): EventLine {
  return DESCRIBE[event.type](event);
}
