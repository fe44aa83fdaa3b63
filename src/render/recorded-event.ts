import type { RecordedEvent } from "../model/recorded-event.ts";
import { roughDuration } from "../util/duration.ts";
import type { Style, Tone } from "./style.ts";
import { paint } from "./style.ts";

const took = (ms: number): string => (ms < 1000 ? `${ms} ms` : roughDuration(ms));

function words(event: RecordedEvent): readonly [text: string, tone: Tone] {
  switch (event.type) {
    case "run.started":
      return [
        `${event.source}${event.tty ? ", terminal" : ""}${event.sandboxed ? "" : ", on the host"}`,
        "plain",
      ];
    case "run.ended":
      return [`${event.exit_class} in ${took(event.duration_ms)}`, event.status === "ok" ? "good" : "error"];
    case "change.ended":
      return [
        `${event.action} ${event.status} in ${took(event.duration_ms)}`,
        event.status === "done" ? "good" : event.status === "skipped" ? "dim" : "error",
      ];
    case "apply.ended": {
      const counts = (["done", "failed", "skipped", "stale", "rolled_back"] as const)
        .filter((each) => event[each] > 0)
        .map((each) => `${event[each]} ${each.replace("_", " ")}`);
      const all = counts.length === 0 ? "nothing to do" : counts.join(", ");
      return [`${event.mode}: ${all}, exit ${event.exit_code}`, event.exit_code === 0 ? "plain" : "error"];
    }
    case "watch.started":
      return [`looks at everything each ${took(event.resync_ms)}`, "plain"];
    case "watch.cycle":
      return [
        `${event.whole ? "whole fleet" : "some"}: ${event.changes} changes, exit ${event.exit_code}, ${took(event.duration_ms)}`,
        event.exit_code === 0 ? "dim" : "error",
      ];
    case "watch.config":
      return [
        event.status === "loaded" ? "loaded" : `${event.errors} errors`,
        event.errors > 0 ? "error" : "plain",
      ];
    case "watch.backoff":
      return [`attempt ${event.attempt}, again in ${took(event.retry_in_ms)}`, "warning"];
    case "watch.stalled":
      return ["left alone until its settings change", "alarm"];
    case "watch.stopped":
      return [
        event.drained ? "all was finished" : "work was left behind",
        event.drained ? "plain" : "warning",
      ];
    case "cleanup.ended":
      return [`${event.removed} removed, ${event.kept} kept, ${event.failed} failed`, "plain"];
    case "doctor.ended":
      return [`${event.found} found, ${event.fixed} mended, ${event.failed} failed`, "plain"];
  }
}

/** One line: when, what, of which hashed runtime or session, and how. */
export function renderRecordedEvent(event: RecordedEvent, style: Style): string {
  const whose = "workspace" in event ? event.workspace : "-".padEnd(16);
  const [text, tone] = words(event);
  const time = paint(style, "dim", new Date(event.at).toISOString());
  return `${time}  ${event.type.padEnd(14)}  ${whose}  ${paint(style, tone, text)}\n`;
}
