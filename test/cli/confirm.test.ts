import { describe, expect, test } from "vitest";
import { confirm } from "../../src/cli/confirm.ts";
import { catchInterrupts } from "../../src/cli/interrupts.ts";
import { testStreams } from "./streams.ts";

const quiet = () => catchInterrupts({ onFirst: () => undefined, onSecond: () => undefined });

async function asked(reply: string | null, tty = true) {
  const streams = testStreams(tty);
  using interrupts = quiet();
  const answer = confirm("Apply 1 change?", streams, interrupts);
  if (reply === null) streams.stdin.end();
  else streams.stdin.write(reply);
  return {
    agreed: await answer,
    shown: streams.stderr.text,
    stdout: streams.stdout.text,
    received: interrupts.received(),
  };
}

describe("confirmation", () => {
  test.each([
    ["y\n", true],
    ["YES\n", true],
    ["yes please\n", false],
    ["n\n", false],
    ["\n", false],
    [null, false],
  ])("%j is %s", async (reply, agreed) => {
    const outcome = await asked(reply);
    expect(outcome).toMatchObject({ agreed, stdout: "", received: undefined });
    expect(outcome.shown).toContain("Apply 1 change? [y/N]");
  });

  test("Ctrl-C is an interrupt, not just a no", async () => {
    expect(await asked("\u0003")).toMatchObject({ agreed: false, received: "SIGINT" });
  });

  test("without a terminal it is refused with exit 3", async () => {
    await expect(asked("y\n", false)).rejects.toMatchObject({ code: "CONFIRMATION_NEEDED", exitCode: 3 });
    await expect(asked("y\n", false)).rejects.toThrow(/not a terminal/);
  });
});
