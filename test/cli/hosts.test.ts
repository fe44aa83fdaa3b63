import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { logHost } from "../../src/cli/hosts/log.ts";
import { jsonLinesHost } from "../../src/cli/hosts/json-lines.ts";
import { silentHost } from "../../src/cli/hosts/silent.ts";
import { terminalHost } from "../../src/cli/hosts/terminal.ts";
import type { EventBody } from "../../src/model/event.ts";
import { eventSchema } from "../../src/model/event.ts";
import { eventLine } from "../../src/render/event.ts";
import type { Style } from "../../src/render/style.ts";
import { Sink } from "./streams.ts";

const style: Style = { colour: false, width: 60, unicode: true };
const step = { address: "agent/a", step: "s1", op: "fetch" } as const;

const EVENTS: readonly EventBody[] = [
  {
    type: "diagnostic",
    diagnostic: { severity: "warning", code: "no-id", message: "no id", path: "", file: "a.toml", line: 2 },
  },
  { type: "note", level: "debug", code: "d", message: "a detail" },
  { type: "note", level: "error", code: "e", message: "bad\u001b[2J" },
  { type: "apply.started", plan_id: "p", changes: 1, steps: 2 },
  { type: "step.started", ...step, cause: "image is missing" },
  { type: "step.progress", ...step, message: "layer 2", fraction: 0.5 },
  { type: "step.finished", ...step, status: "done", duration_ms: 10, error: null },
  {
    type: "change.finished",
    address: "agent/a",
    action: "create",
    status: "failed",
    duration_ms: 1500,
    error: "no such image",
  },
  { type: "apply.finished", plan_id: "p", exit_code: 1 },
  { type: "watch.started", fleet: "team", resync_s: 300 },
  { type: "watch.triggered", key: "fleet", trigger: "file" },
  { type: "watch.cycle", key: "fleet", plan_id: "p", changes: 0, exit_code: 0, duration_ms: 3 },
  { type: "watch.config", status: "invalid", errors: 2, message: "sandkeep.toml" },
  { type: "watch.backoff", address: "agent/a", attempt: 2, retry_in_ms: 2000, why: "unhealthy" },
  { type: "watch.stalled", address: "agent/a", why: "4 starts in 10 minutes" },
  { type: "watch.stopped", reason: "SIGTERM", drained: true },
];

test("every kind of event has a line, and none can move the cursor", () => {
  const kinds = new Set(EVENTS.map((event) => event.type));
  expect(
    eventSchema.options.map((option) => option.shape.type.value).filter((type) => !kinds.has(type)),
  ).toEqual([]);
  for (const event of EVENTS) expect(eventLine(event).text).toMatch(/^\P{C}+$/u);
});

test("a watch without resync says so", () => {
  const { text } = eventLine({ type: "watch.started", fleet: "team", resync_s: 0 });
  expect(text).toBe("watching fleet team, looking again only when something happens");
});

describe("terminal", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("plain lines where nobody looks on", async () => {
    const sink = new Sink(false);
    await using host = terminalHost(sink, style, "info", () => 0);
    for (const event of EVENTS) host.notify(event);
    await vi.advanceTimersByTimeAsync(1000);
    expect(sink.text).not.toMatch(/(?!\n)\p{Cc}/u);
    expect(sink.text.split("\n")).toEqual([
      "warning: a.toml:2: no id [no-id]",
      "error: bad\\x1b[2J",
      "agent/a: fetch (image is missing)",
      "error: agent/a: create failed after 2s: no such image",
      "watching fleet team, looking at everything every 5m",
      "fleet: 0 changes, exit code 0, after 3ms",
      "error: CONFIG INVALID, the last good one stays in force: sandkeep.toml (2 errors)",
      "warning: agent/a: attempt 2 failed, again in 2s: unhealthy",
      "error: agent/a: STALLED, left alone: 4 starts in 10 minutes",
      "stopped (SIGTERM)",
      "",
    ]);
  });

  test("a long step is told of now and then where no line can be rewritten", () => {
    let time = 0;
    const sink = new Sink(false);
    const host = terminalHost(sink, style, "info", () => time);
    const pull = { address: "", step: "f", op: "fetch" } as const;
    host.notify({ type: "step.started", ...pull, cause: "the engine lacks app:1" });
    for (time = 1000; time <= 11_000; time += 1000) {
      host.notify({ type: "step.progress", ...pull, message: `after ${time}`, fraction: time / 20_000 });
    }
    expect(sink.text).toBe("fetch (the engine lacks app:1)\nfetch 25% after 5000\nfetch 50% after 10000\n");
  });

  test("one progress line on a terminal, gone when the work is", async () => {
    const sink = new Sink(true);
    let now = 0;
    await using host = terminalHost(sink, style, "warn", () => now);
    for (const event of EVENTS.slice(3, 6)) host.notify(event);
    now = 3000;
    await vi.advanceTimersByTimeAsync(130);
    expect(sink.text).toContain("0/1 agent/a: fetch 50% layer 2 3s");
    host.notify({ type: "step.finished", ...step, status: "done", duration_ms: 10, error: null });
    expect(sink.text.slice(-8)).toBe("\u001b[1G\u001b[2K");
    const length = sink.text.length;
    await vi.advanceTimersByTimeAsync(1000);
    expect(sink.text).toHaveLength(length);
  });

  test("the progress line never wraps", async () => {
    const sink = new Sink(true);
    await using host = terminalHost(sink, { ...style, width: 40 }, "error", () => 0);
    host.notify({ type: "step.started", ...step, address: `agent/${"日本".repeat(30)}`, cause: "" });
    expect(sink.text.length).toBeGreaterThan(10);
    expect(sink.text.length).toBeLessThan(40);
  });
});

test("json lines are the published events", async () => {
  const sink = new Sink(false);
  await using host = jsonLinesHost(sink, () => Date.UTC(2026, 0, 2));
  for (const event of EVENTS) host.notify(event);
  const lines = sink.text.trimEnd().split("\n");
  const events = lines.map((line) => eventSchema.parse(JSON.parse(line)));
  expect(events).toHaveLength(EVENTS.length);
  expect(new Set(events.map((event) => event.at))).toEqual(new Set(["2026-01-02T00:00:00.000Z"]));
});

test("silent still tells errors", async () => {
  const sink = new Sink(false);
  await using host = silentHost(sink);
  for (const event of EVENTS) host.notify(event);
  expect(sink.text).toMatch(/^bad.*\nCONFIG INVALID.*\nagent\/a: STALLED.*\n$/);
});

describe("logs", () => {
  test("json has level, time, message and the event's fields", async () => {
    const sink = new Sink(false);
    await using host = await logHost("json", "info", sink);
    for (const event of EVENTS) host.notify(event);
    const records = sink.text
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect(records).toContainEqual(
      expect.objectContaining({
        level: 40,
        type: "watch.backoff",
        address: "agent/a",
        msg: expect.stringContaining("again in 2s"),
      }),
    );
    expect(sink.text).not.toContain("a detail");
  });

  test("compact is one short line each", async () => {
    const sink = new Sink(false);
    await using host = await logHost("compact", "warn", sink);
    for (const event of EVENTS) host.notify(event);
    await vi.waitFor(() => {
      expect(sink.text.trimEnd().split("\n")).toHaveLength(6);
    });
    expect(sink.text).toMatch(/^\[\d{4}-\d\d-\d\dT[\d:]+Z\] WARN: a\.toml:2: no id \[no-id\]$/m);
  });
});
