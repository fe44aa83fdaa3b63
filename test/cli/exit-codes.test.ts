import { describe, expect, test } from "vitest";
import { SandkeepError } from "../../src/errors.ts";
import { EXIT, exitCodeOf, usageError } from "../../src/cli/exit-codes.ts";

describe("exit codes", () => {
  test.each([
    ["its own code", new SandkeepError("held", { code: "LEASE_HELD", exitCode: 75 }), 75],
    [
      "an unreachable backend",
      new SandkeepError("away", { code: "X", kind: "unreachable" }),
      EXIT.unreachable,
    ],
    ["a refusal", new SandkeepError("no", { code: "X", kind: "denied" }), EXIT.denied],
    ["a bug that we noticed", new SandkeepError("oops", { code: "X", blame: "tool" }), EXIT.bug],
    ["any other of ours", new SandkeepError("failed", { code: "X" }), EXIT.failed],
    ["usage", usageError("what?"), EXIT.usage],
    ["a foreign error", new TypeError("x is undefined"), EXIT.bug],
    ["a thrown text", "boom", EXIT.bug],
  ])("%s", (_, thrown, code) => {
    expect(exitCodeOf(thrown)).toBe(code);
  });

  test("the numbers are those that the documentation promises", () => {
    expect(EXIT).toEqual({
      ok: 0,
      failed: 1,
      pending: 2,
      blocked: 3,
      stale: 4,
      unhealthy: 5,
      usage: 64,
      unreachable: 69,
      bug: 70,
      busy: 75,
      denied: 77,
      invalid: 78,
      timeout: 124,
    });
  });
});
