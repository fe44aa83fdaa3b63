import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { discard } from "../../src/apply/streams.ts";
import { runCommand } from "../../src/runs/run.ts";
import { Lab } from "../support/memory-fleet.ts";

const sandbox = { backend: "docker", docker: { image: "img:a" } };

/** A file where a folder was: nothing can be written below it any more, not even by root. */
async function spoil(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  await writeFile(folder, "");
}

async function spoiltRun(lab: Lab, folder: string, argv: readonly string[]): Promise<number> {
  await lab.write({ sandbox, agents: { a: {} } });
  await lab.apply();
  lab.world.inject({
    op: "exec",
    effect: { kind: "hook", when: "before", run: () => spoil(join(lab.state().dir, folder)) },
  });
  const io = { stdout: discard(), stderr: discard() };
  const answer = await runCommand(lab.engine(), { agent: "a", argv, env: {} }, io);
  if (answer.status === "invalid") throw new Error("the config is invalid");
  return answer.manifest.exit_code;
}

describe("the exit code of a command that has ended", () => {
  it.each(["activity", "open-runs"])("is the result though %s/ cannot be written", async (folder) => {
    await using lab = new Lab();
    expect(await spoiltRun(lab, folder, ["exit", "7"])).toBe(7);
    const notes = lab.events.filter((each) => each.type === "note");
    expect(notes).toMatchObject([{ level: "warn", code: "RUN_NOT_RECORDED" }]);
  });

  it("is not asked for when the command could not begin: that failure is told, not a later one", async () => {
    await using lab = new Lab();
    lab.world.inject({
      op: "exec",
      effect: { kind: "fail", when: "before", as: "denied", message: "no more execs" },
    });
    await expect(spoiltRun(lab, "activity", ["true"])).rejects.toThrow("no more execs");
  });
});

describe("a run that could not be recorded before it began", () => {
  it("did not begin, and keeps nothing busy", async () => {
    await using lab = new Lab();
    await lab.write({ sandbox, agents: { a: {} } });
    await lab.apply();
    await mkdir(lab.state().dir, { recursive: true });
    await writeFile(join(lab.state().dir, "activity"), "");
    const io = { stdout: discard(), stderr: discard() };
    const request = { agent: "a", argv: ["true"], env: {} };
    await expect(runCommand(lab.engine(), request, io)).rejects.toMatchObject({ code: "STATE_IO" });
    expect(await readdir(join(lab.state().dir, "open-runs"))).toEqual([]);
  });
});
