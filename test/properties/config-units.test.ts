import fc from "fast-check";
import { expect, it } from "vitest";
import { formatBytes, parseBytes } from "../../src/util/bytes.ts";
import { formatDuration, parseDuration } from "../../src/util/duration.ts";

it("a formatted duration reads back to the same milliseconds", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3_000_000_000_000 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }),
  );
});

it("a formatted size reads back to the same bytes", () => {
  const sizes = fc.oneof(
    fc.nat(),
    fc.maxSafeNat(),
    fc.nat(4096).map((count) => count * 1_048_576),
    fc.nat(4096).map((count) => count * 1_000_000),
  );
  fc.assert(
    fc.property(sizes, (bytes) => {
      expect(parseBytes(formatBytes(bytes))).toBe(bytes);
    }),
  );
});

it("any text is a duration, a size, or refused, and never throws", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const amount of [parseDuration(text), parseBytes(text)]) {
        expect(amount === undefined || (Number.isSafeInteger(amount) && amount >= 0)).toBe(true);
      }
    }),
  );
});
