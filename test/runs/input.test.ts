import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { Lab } from "../support/memory-fleet.ts";
import { applied, labRun } from "./ledger.ts";

describe("the input of a command that gets it whole", () => {
  it("is what the caller has to say", async () => {
    await using lab = new Lab({ lifecycle: "ephemeral" });
    await applied(lab);
    expect((await labRun(lab, ["cat"], { stdin: Readable.from(["given"]) })).stdout).toBe("given");
  });

  it("is none where the caller is at a terminal, whose input has no end", async () => {
    await using lab = new Lab({ lifecycle: "ephemeral" });
    await applied(lab);
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    expect((await labRun(lab, ["cat"], { stdin })).stdout).toBe("");
  });
});
