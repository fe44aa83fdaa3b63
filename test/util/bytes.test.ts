import { describe, expect, it } from "vitest";
import { formatBytes, parseBytes } from "../../src/util/bytes.ts";

describe("parseBytes", () => {
  it.each([
    ["0B", 0],
    ["512B", 512],
    ["64MiB", 67_108_864],
    ["64mib", 67_108_864],
    ["2GB", 2_000_000_000],
    ["1.5GiB", 1_610_612_736],
    ["0.5KiB", 512],
    ["1TiB", 1_099_511_627_776],
  ])("reads %s", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each(["", "5", "MiB", "0.1KiB", "1.0001B", "-1B", "1 MiB", "512m", "1PiB", "9000TiB", "1e3B", "1,5GiB"])(
    "refuses %j",
    (text) => {
      expect(parseBytes(text)).toBeUndefined();
    },
  );
});

describe("formatBytes", () => {
  it.each([
    [0, "0B"],
    [513, "513B"],
    [2_147_483_648, "2GiB"],
    [2_000_000_000, "2GB"],
    [1_610_612_736, "1536MiB"],
  ])("writes %d as %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
