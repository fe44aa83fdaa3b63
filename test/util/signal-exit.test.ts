import { expect, test } from "vitest";
import { signalExit } from "../../src/util/signal-exit.ts";

test.each([
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGKILL", 137],
  ["SIGTERM", 143],
  ["SIGNONE", 128],
  ["toString", 128],
  [null, 128],
])("what %s ended exits with %i", (signal, code) => {
  expect(signalExit(signal)).toBe(code);
});
