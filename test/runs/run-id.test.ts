import fc from "fast-check";
import { expect, test } from "vitest";
import { isRunId, makeRunId, randomPart } from "../../src/runs/run-id.ts";

const moment = fc.integer({ min: 0, max: Date.UTC(9999, 0) });

test("ids sort as the runs began", () => {
  fc.assert(
    fc.property(moment, moment, (a, b) => {
      const [first, second] = [makeRunId(a, "0".repeat(16)), makeRunId(b, "0".repeat(16))];
      expect(Math.sign(a - b)).toBe(first < second ? -1 : first > second ? 1 : 0);
      expect(isRunId(first)).toBe(true);
    }),
  );
});

test("an id tells when and which", () => {
  const id = makeRunId(Date.UTC(2026, 10, 21, 5, 11, 41, 7), "0123456789abcdef");
  expect(id).toBe("20261121-051141-007-89abcdef");
  expect(randomPart(id)).toBe("89abcdef");
  for (const text of ["", "..", "20261121-051141-007", `${id}x`, `${id}/..`])
    expect(isRunId(text)).toBe(false);
});
