import type { EventBody } from "../../model/event.ts";
import { eventLine } from "../../render/event.ts";
import { escapeText } from "../../render/escape.ts";
import { cells } from "../../render/layout.ts";
import type { Style, Tone } from "../../render/style.ts";
import { paint } from "../../render/style.ts";
import type { LogLevel } from "../globals.ts";
import { LOG_LEVELS } from "../globals.ts";
import type { Output } from "../invocation.ts";
import type { EventHost } from "./host.ts";

const TONES = { debug: "dim", info: "plain", warn: "warning", error: "error" } as const satisfies Record<
  LogLevel,
  Tone
>;
const PREFIX = { debug: "", info: "", warn: "warning: ", error: "error: " } as const satisfies Record<
  LogLevel,
  string
>;
const FRAMES = {
  unicode: ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
  ascii: ["|", "/", "-", "\\"],
} as const;
const TICK_MS = 120;
/** To the first column, and nothing left on the line. */
const BLANK_LINE = "\u001b[1G\u001b[2K";

/** Where no line can be rewritten, a long step is told of this often. */
const PLAIN_MS = 5000;

interface Step {
  readonly label: string;
  readonly since: number;
  detail: string;
  /** When its progress was last told in a line of its own. */
  told: number;
}

interface Work {
  total: number;
  finished: number;
  /** Steps that are going on, oldest first. */
  readonly steps: Map<string, Step>;
}

/** Follows the steps of one apply. */
function follow(work: Work, event: EventBody, now: number): void {
  switch (event.type) {
    case "apply.started":
      work.total = event.changes;
      work.finished = 0;
      return;
    case "step.started":
      work.steps.set(event.step, { label: labelOf(event), since: now, detail: "", told: now });
      return;
    case "step.progress": {
      const step = work.steps.get(event.step);
      const share = event.fraction === null ? "" : ` ${Math.round(event.fraction * 100)}%`;
      if (step !== undefined) step.detail = `${share} ${event.message}`.trimEnd();
      return;
    }
    case "step.finished":
      work.steps.delete(event.step);
      return;
    case "change.finished":
      work.finished += 1;
      return;
    case "apply.finished":
      work.total = 0;
      work.steps.clear();
      return;
    default:
  }
}

/** Fetching an image is for all that need it. */
function labelOf({ address, op }: { readonly address: string; readonly op: string }): string {
  return address === "" ? op : `${address}: ${op}`;
}

/** True now and then for the progress of a long step. */
function isWorthALine(work: Work, event: EventBody, now: number): boolean {
  const step = event.type === "step.progress" ? work.steps.get(event.step) : undefined;
  if (step === undefined || now - step.told < PLAIN_MS) return false;
  step.told = now;
  return true;
}

function statusText(work: Work, frame: string, now: number): string {
  const [oldest] = work.steps.values();
  const others = work.steps.size > 1 ? ` (+${work.steps.size - 1} more)` : "";
  const seconds = oldest === undefined ? 0 : Math.floor((now - oldest.since) / 1000);
  const what =
    oldest === undefined
      ? ""
      : ` ${oldest.label}${oldest.detail}${seconds > 0 ? ` ${seconds}s` : ""}${others}`;
  return `${frame} ${work.finished}/${work.total}${what}`;
}

function cut(text: string, width: number): string {
  let shown = "";
  for (const char of text) {
    if (cells(shown + char) > width) break;
    shown += char;
  }
  return shown;
}

/** Plain lines, and on a terminal one progress line below them that is rewritten in place. */
export function terminalHost(stream: Output, style: Style, level: LogLevel, now: () => number): EventHost {
  const live = stream.isTTY === true;
  const frames = style.unicode ? FRAMES.unicode : FRAMES.ascii;
  const work: Work = { total: 0, finished: 0, steps: new Map() };
  let tick = 0;
  let drawn = false;
  let timer: NodeJS.Timeout | undefined;
  const clear = (): void => {
    if (!drawn) return;
    stream.write(BLANK_LINE);
    drawn = false;
  };
  const draw = (): void => {
    if (!live || work.steps.size === 0) return;
    clear();
    const frame = frames[tick % frames.length] ?? "";
    stream.write(cut(escapeText(statusText(work, frame, now())), style.width - 1));
    drawn = true;
  };
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    notify(event) {
      follow(work, event, now());
      const line = eventLine(event);
      const due = !live && isWorthALine(work, event, now());
      const weight = due ? "info" : line.level;
      if (LOG_LEVELS.indexOf(weight) >= LOG_LEVELS.indexOf(level)) {
        clear();
        stream.write(`${paint(style, TONES[weight], PREFIX[weight] + line.text)}\n`);
      }
      if (!live) return;
      if (work.steps.size === 0) {
        stop();
        clear();
      } else if (timer === undefined) {
        timer = setInterval(() => {
          tick += 1;
          draw();
        }, TICK_MS).unref();
        draw();
      }
    },
    clear,
    [Symbol.asyncDispose]() {
      stop();
      clear();
      return Promise.resolve();
    },
  };
}
