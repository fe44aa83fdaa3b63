import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "../../src/util/duration.ts";

describe("parseDuration", () => {
  it.each([
    ["500ms", 500],
    ["90s", 90_000],
    ["5m", 300_000],
    ["36h", 129_600_000],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
    ["1h30m", 5_400_000],
    ["1m500ms", 60_500],
    ["0s", 0],
  ])("reads %s", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    "",
    "5",
    "h",
    "1.5h",
    "-5s",
    "5 m",
    "5M",
    "5min",
    "30m1h",
    "1h1h",
    "101w 1d",
    "36501d",
    "9".repeat(16) + "s",
  ])("refuses %j", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it("takes a huge text quickly", () => {
    expect(parseDuration("1".repeat(5_000_000))).toBeUndefined();
    expect(parseDuration("1h".repeat(2_000_000))).toBeUndefined();
  });
});

describe("formatDuration", () => {
  it.each([
    [0, "0s"],
    [500, "500ms"],
    [90_000, "1m30s"],
    [86_400_000, "1d"],
    [864_000_000, "10d"],
    [5_400_001, "1h30m1ms"],
  ])("writes %d as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
