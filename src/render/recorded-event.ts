import type { RecordedEvent } from "../model/recorded-event.ts";
import { roughDuration } from "../util/duration.ts";
import { count } from "./layout.ts";
import type { Style, Tone } from "./style.ts";
import { paint } from "./style.ts";

const took = (ms: number): string => (ms < 1000 ? `${ms} ms` : roughDuration(ms));

type Words = readonly [text: string, tone: Tone];
type Of<T extends RecordedEvent["type"]> = Extract<RecordedEvent, { readonly type: T }>;

const ENDED = ["done", "failed", "skipped", "stale", "rolled_back"] as const;

function changed({ action, status, duration_ms }: Of<"change.ended">): Words {
  const tone = status === "done" ? "good" : status === "skipped" ? "dim" : "error";
  return [`${action} ${status.replace("_", " ")} in ${took(duration_ms)}`, tone];
}

function applied(event: Of<"apply.ended">): Words {
  const { mode, exit_code } = event;
  const counts = ENDED.filter((each) => event[each] > 0).map(
    (each) => `${event[each]} ${each.replace("_", " ")}`,
  );
  const all = counts.length === 0 ? "nothing to do" : counts.join(", ");
  return [`${mode}: ${all}, exit ${exit_code}`, exit_code === 0 ? "plain" : "error"];
}

function looked({ whole, changes, exit_code, duration_ms }: Of<"watch.cycle">): Words {
  const where = whole ? "whole fleet" : "some runtimes";
  const text = `${where}: ${count(changes, "change")}, exit ${exit_code}, ${took(duration_ms)}`;
  return [text, exit_code === 0 ? "dim" : "error"];
}

const WORDS: { readonly [T in RecordedEvent["type"]]: (event: Of<T>) => Words } = {
  "run.started": ({ source, tty, sandboxed }) => [
    `${source}${tty ? ", terminal" : ""}${sandboxed ? "" : ", on the host"}`,
    "plain",
  ],
  "run.ended": ({ exit_class, status, duration_ms }) => [
    `${exit_class} in ${took(duration_ms)}`,
    status === "ok" ? "good" : "error",
  ],
  "change.ended": changed,
  "apply.ended": applied,
  "watch.started": ({ resync_ms }) => [`looks at everything each ${took(resync_ms)}`, "plain"],
  "watch.cycle": looked,
  "watch.config": ({ status, errors }) =>
    status === "loaded" ? ["loaded", "plain"] : [count(errors, "error"), "error"],
  "watch.backoff": ({ attempt, retry_in_ms }) => [
    `attempt ${attempt}, again in ${took(retry_in_ms)}`,
    "warning",
  ],
  "watch.stalled": () => ["left alone until its settings change", "alarm"],
  "watch.stopped": ({ drained }) =>
    drained ? ["all was finished", "plain"] : ["work was left behind", "warning"],
  "cleanup.ended": ({ removed, kept, failed }) => [
    `${removed} removed, ${kept} kept, ${failed} failed`,
    "plain",
  ],
  "canary.ended": ({ verdict, duration_ms }) => [
    `${verdict} in ${took(duration_ms)}`,
    verdict === "passed" ? "good" : "error",
  ],
  "host.standing": ({ by, status, blocks }) => [
    `${status}, says its ${by}${blocks ? "; nothing new is made there" : ""}`,
    status === "recovered" ? "good" : "warning",
  ],
  "doctor.ended": ({ found, fixed, failed }) => [
    `${found} found, ${fixed} mended, ${failed} failed`,
    "plain",
  ],
};

function words<T extends RecordedEvent["type"]>(event: Of<T> & { readonly type: T }): Words {
  return WORDS[event.type](event);
}

/** One line: when, what, of which hashed runtime or session, and how. */
export function renderRecordedEvent(event: RecordedEvent, style: Style): string {
  const whose = "workspace" in event ? event.workspace : "-".padEnd(16);
  const [text, tone] = words(event);
  const time = paint(style, "dim", new Date(event.at).toISOString());
  return `${time}  ${event.type.padEnd(14)}  ${whose}  ${paint(style, tone, text)}\n`;
}
