import { describe, expect, it } from "vitest";
import { runFolder } from "../../src/runs/layout.ts";
import type { RunSelector } from "../../src/runs/select.ts";
import { selectRun } from "../../src/runs/select.ts";
import { Lab } from "../support/memory-fleet.ts";
import { applied, labRun } from "./ledger.ts";

const FIRST = "20300101-000001-000-aaaa1111";
const SECOND = "20300101-000002-000-aabb2222";

async function twoRuns(lab: Lab): Promise<void> {
  await applied(lab);
  await labRun(lab, ["exit", "1"], { runId: FIRST });
  await labRun(lab, ["true"], { runId: SECOND, source: "task" });
}

async function pick(lab: Lab, selector: RunSelector): Promise<string> {
  const place = { cwd: lab.state().dir, now: lab.time.now() };
  return (await selectRun(lab.state(), selector, place)).manifest.run_id;
}

describe("one run is meant", () => {
  it.each<[string, RunSelector, string]>([
    ["by its id", { target: FIRST }, FIRST],
    ["by the beginning of it", { target: "20300101-000002" }, SECOND],
    ["by its random part", { target: "aaaa1111" }, FIRST],
    ["by the beginning of that", { target: "AABB" }, SECOND],
    ["by its folder", { target: `runs/${FIRST}` }, FIRST],
    ["as the latest", { latest: true }, SECOND],
    ["as the latest that failed", { latestFailed: true }, FIRST],
    ["as the latest of a source", { latest: true, source: "cli" }, FIRST],
  ])("%s", async (_title, selector, expected) => {
    await using lab = new Lab();
    await twoRuns(lab);
    expect(await pick(lab, selector)).toBe(expected);
  });

  it.each<[string, RunSelector, string, string, string]>([
    ["nothing", {}, "RUN_TARGET_REQUIRED", "not said", "--latest-failed"],
    ["two ways at once", { target: FIRST, latest: true }, "USAGE", "several", "--latest"],
    ["a beginning of several", { target: "2030" }, "RUN_AMBIGUOUS", "2 runs", `${SECOND}, ${FIRST}`],
    ["a typing error", { target: "20300101-000001-000-aaaa1112" }, "RUN_NOT_FOUND", "no run", FIRST],
    ["one in the random part", { target: "aaaa1171" }, "RUN_NOT_FOUND", "no run", `did you mean ${FIRST}`],
    ["one in the beginning", { target: "20300101-000091" }, "RUN_NOT_FOUND", "no run", FIRST],
    ["one where it is cut off", { target: "aax" }, "RUN_NOT_FOUND", "no run", "the latest is"],
    ["one in the beginning of that", { target: "aabx2" }, "RUN_NOT_FOUND", "no run", `mean ${SECOND}?`],
    ["what nobody knows", { target: "zzzzzzzz" }, "RUN_NOT_FOUND", "no run", `the latest is ${SECOND}`],
    ["an empty name", { target: "" }, "RUN_NOT_FOUND", "no run", "runs list"],
    ["a folder without a run", { target: "./nowhere" }, "RUN_NOT_FOUND", "no manifest", "runs list"],
    ["the latest of nobody", { latest: true, agent: "z" }, "RUN_NOT_FOUND", "of agent z", "runs list"],
    [
      "the latest failed of task",
      { latestFailed: true, source: "task" },
      "RUN_NOT_FOUND",
      "failed",
      "runs list",
    ],
  ])("%s is refused with what to do", async (_title, selector, code, message, hint) => {
    await using lab = new Lab();
    await twoRuns(lab);
    await expect(pick(lab, selector)).rejects.toMatchObject({
      code,
      exitCode: 64,
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    });
  });

  it("says that there is none yet", async () => {
    await using lab = new Lab();
    await expect(pick(lab, { target: "x" })).rejects.toMatchObject({ hint: "nothing has been run yet" });
    expect(runFolder(lab.state(), FIRST)).toContain("runs");
  });
});
