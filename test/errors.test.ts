import { expect, test } from "vitest";
import { hasCode, hasKind, SandkeepError } from "../src/errors.ts";

const away = new SandkeepError("away", { code: "GONE_AWAY", kind: "unreachable" });

test.each([
  ["its class", hasKind(away, "unreachable"), true],
  ["one of several classes", hasKind(away, "transient", "unreachable"), true],
  ["another class", hasKind(away, "transient"), false],
  ["its code", hasCode(away, "GONE_AWAY"), true],
  ["one of several codes", hasCode(away, "OTHER", "GONE_AWAY"), true],
  ["another code", hasCode(away, "OTHER"), false],
  [
    "a foreign error with such a code",
    hasCode(Object.assign(new Error("x"), { code: "OTHER" }), "OTHER"),
    false,
  ],
  ["a foreign error with such a class", hasKind({ kind: "transient" }, "transient"), false],
])("an error is told by %s", (_, told, expected) => {
  expect(told).toBe(expected);
});
