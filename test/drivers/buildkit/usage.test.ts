import { describe, expect, it } from "vitest";
import { cacheUse, usageRecords } from "../../../src/drivers/buildkit/usage.ts";
import { workerOf } from "../../../src/drivers/buildkit/workers.ts";

// The wire format by hand: what a field's number and kind are is written out.
const bytes = (number: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([number * 8 + 2, content.length]), content]);
const text = (number: number, content: string): Buffer => bytes(number, Buffer.from(content));
const varint = (number: number, ...septets: readonly number[]): Buffer =>
  Buffer.from([number * 8, ...septets]);

describe("what a worker says of itself", () => {
  it("is its id, and the first of its platforms", () => {
    const platform = (os: string, architecture: string): Buffer =>
      bytes(3, Buffer.concat([text(1, architecture), text(2, os), text(3, "v8")]));
    const labels = bytes(2, Buffer.concat([text(1, "key"), text(2, "value")]));
    const record = Buffer.concat([
      text(1, "w1"),
      labels,
      platform("linux", "arm64"),
      platform("linux", "amd64"),
    ]);
    expect(workerOf(Buffer.concat([bytes(1, record), bytes(1, text(1, "w2"))]))).toEqual({
      id: "w1",
      platform: "linux/arm64",
    });
  });

  it("is nothing where it names no worker, or none that builds", () => {
    expect(workerOf(Buffer.alloc(0))).toBeUndefined();
    expect(workerOf(bytes(1, text(1, "w1")))).toBeUndefined();
  });
});

describe("what a worker says of its cache", () => {
  it("is read from its own bytes, those it may have more passed over", () => {
    const time = varint(1, 0xac, 0x02); // 300 s
    const record = Buffer.concat([
      text(1, "one"),
      varint(3, 1),
      varint(4, 0xff, 0xff, 0xff, 0xff, 0x7f),
      bytes(6, varint(1, 7)),
      bytes(7, Buffer.concat([time, varint(2, 9)])),
      Buffer.from([13 * 8 + 1, 0, 0, 0, 0, 0, 0, 0, 0]),
      text(12, "two"),
      text(12, "three"),
    ]);
    expect(usageRecords(Buffer.concat([bytes(1, record), bytes(1, text(1, "never used"))]))).toEqual([
      {
        id: "one",
        bytes: 2 ** 35 - 1,
        used_at: 300_000,
        in_use: true,
        shared: false,
        parents: ["two", "three"],
      },
      { id: "never used", bytes: 0, used_at: 0, in_use: false, shared: false, parents: [] },
    ]);
    expect(usageRecords(Buffer.alloc(0))).toEqual([]);
  });

  it("counts what can go: not what is shared, and nothing that something younger was made from", () => {
    const record = { bytes: 10, in_use: false, shared: false, parents: [] };
    const records = [
      { ...record, id: "base", used_at: 1 },
      { ...record, id: "middle", used_at: 5, parents: ["base"] },
      { ...record, id: "young", used_at: 9, parents: ["middle"] },
      { ...record, id: "old", used_at: 7 },
      { ...record, id: "image", used_at: 2, shared: true },
      { ...record, id: "busy", used_at: 3, in_use: true },
    ];
    expect(cacheUse(records)).toEqual({ bytes: 50, oldest_use: 7 });
    expect(cacheUse([])).toEqual({ bytes: 0, oldest_use: null });
  });
});
