import { execFile } from "node:child_process";
import { appendFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { fleetState } from "../../src/state/directory.ts";
import { hold } from "../../src/state/holds.ts";
import { openJournal, readJournal } from "../../src/state/journal.ts";
import { temporaryDirectory, temporaryState } from "./temporary.ts";

const step = { node: "agent/a:create", op: "create", address: "agent/a" };
const PLAN = `sha256:${"ab".repeat(32)}`;

const silent = {
  notify: (event: object): never => {
    throw new Error(JSON.stringify(event));
  },
};

describe("the journal", () => {
  it("keeps intents and results of an apply in one file, newest first when read", async () => {
    const { state } = await temporaryState();
    let at = 1_000;
    const now = (): number => (at += 1);
    await using journal = await openJournal(state, { planId: PLAN, now, sink: silent });
    await journal.intent(step);
    journal.result({ ...step, status: "failed", error: "no space" });
    await journal.intent({ ...step, address: "agent/b" });
    expect(await readdir(join(state.dir, "journal"))).toEqual(["1970-01-01T00-00-01.001Z-abababab.jsonl"]);
    const common = { v: 1, plan_id: PLAN, node: step.node, op: "create" };
    expect(await readJournal(state, { limit: 10 })).toEqual([
      { ...common, at: 1003, address: "agent/b", phase: "intent" },
      { ...common, at: 1002, address: "agent/a", phase: "result", status: "failed", error: "no space" },
      { ...common, at: 1001, address: "agent/a", phase: "intent" },
    ]);
    expect(await readJournal(state, { address: "agent/a", limit: 1 })).toMatchObject([{ phase: "result" }]);
  });

  it("leaves no file for an apply that did nothing", async () => {
    const { state } = await temporaryState();
    const journal = await openJournal(state, { planId: PLAN, now: () => 1, sink: silent });
    await journal[Symbol.asyncDispose]();
    expect(await readdir(state.base)).toEqual([]);
    expect(await readJournal(state, { limit: 10 })).toEqual([]);
  });

  it("keeps lines of parallel steps whole and in order", async () => {
    const { state } = await temporaryState();
    await using journal = await openJournal(state, { planId: PLAN, now: () => 1, sink: silent });
    await Promise.all(Array.from({ length: 50 }, (_, n) => journal.intent({ ...step, node: `n${n}` })));
    const nodes = (await readJournal(state, { limit: 100 })).map((entry) => entry.node);
    expect(nodes.toReversed()).toEqual(Array.from({ length: 50 }, (_, n) => `n${n}`));
  });

  it("discards a torn tail silently, and reports a damaged line between good ones", async () => {
    const { state, problems } = await temporaryState();
    await using journal = await openJournal(state, { planId: PLAN, now: () => 1, sink: silent });
    await journal.intent(step);
    const [name = ""] = await readdir(join(state.dir, "journal"));
    await appendFile(join(state.dir, "journal", name), '{"v":1,"at":2,"plan_id":"sha');
    expect(await readJournal(state, { limit: 10 })).toHaveLength(1);
    expect(problems).toEqual([]);
    await appendFile(join(state.dir, "journal", name), "\n");
    journal.result({ ...step, status: "done" });
    expect(await readJournal(state, { limit: 10 })).toMatchObject([{ phase: "result" }, { phase: "intent" }]);
    expect(problems).toMatchObject([{ code: "state-file-damaged" }]);
  });

  it("keeps the newest 200 files, also of applies in the same millisecond", async () => {
    const { state } = await temporaryState();
    const dir = join(state.dir, "journal");
    await mkdir(dir, { recursive: true });
    const names = Array.from(
      { length: 205 },
      (_, n) => `2020-01-01T00-00-00.${String(n).padStart(3, "0")}Z-00000000.jsonl`,
    );
    await Promise.all(names.map((name) => writeFile(join(dir, name), "")));
    for (const node of ["first", "second"]) {
      await using journal = await openJournal(state, { planId: PLAN, now: () => 1.7e12, sink: silent });
      await journal.intent({ ...step, node });
    }
    const kept = await readdir(dir);
    expect(kept).toHaveLength(200);
    expect(kept.filter((name) => name.includes("abababab"))).toHaveLength(2);
    expect(kept).not.toContain(names[0]);
  });

  it("rejects an intent that cannot be written", async () => {
    const { state } = await temporaryState();
    await mkdir(state.dir, { recursive: true });
    await writeFile(join(state.dir, "journal"), "in the way");
    await using journal = await openJournal(state, { planId: PLAN, now: () => 1, sink: silent });
    await expect(journal.intent(step)).rejects.toMatchObject({ code: "STATE_IO" });
    await expect(journal.intent(step)).rejects.toMatchObject({ code: "STATE_IO" });
  });
});

describe("a result that cannot be written", () => {
  const inTheWay = async (lost: object[]) => {
    const { state } = await temporaryState();
    await mkdir(state.dir, { recursive: true });
    await writeFile(join(state.dir, "journal"), "in the way");
    return await openJournal(state, {
      planId: PLAN,
      now: () => 1,
      sink: { notify: (event) => lost.push(event) },
    });
  };

  it("is told at the end, once", async () => {
    const lost: object[] = [];
    const journal = await inTheWay(lost);
    journal.result({ ...step, status: "done" });
    journal.result({ ...step, status: "done" });
    await journal[Symbol.asyncDispose]();
    expect(lost).toMatchObject([{ type: "note", level: "warn", code: "JOURNAL_LOST" }]);
  });

  it("is not told again where an intent has failed of it", async () => {
    const lost: object[] = [];
    const journal = await inTheWay(lost);
    journal.result({ ...step, status: "done" });
    await expect(journal.intent(step)).rejects.toMatchObject({ code: "STATE_IO" });
    await expect(journal.intent(step)).rejects.toMatchObject({ code: "STATE_IO" });
    await journal[Symbol.asyncDispose]();
    expect(lost).toEqual([]);
  });
});

/** A file system of 64 KiB, or undefined where this user may not mount one. */
async function tinyDisk(): Promise<string | undefined> {
  const dir = await temporaryDirectory();
  const run = promisify(execFile);
  try {
    await run("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", dir]);
  } catch {
    return undefined;
  }
  onTestFinished(async () => {
    await run("umount", ["-l", dir]);
  });
  return dir;
}

describe("a full disk", () => {
  it("rejects the intent, keeps what was written, and works again once there is room", async (context) => {
    const disk = await tinyDisk();
    context.skip(disk === undefined, "may not mount a tmpfs here");
    if (disk === undefined) return;
    const state = fleetState(disk, "team");
    await using journal = await openJournal(state, { planId: PLAN, now: () => 1, sink: silent });
    await journal.intent(step);
    await hold(state, { address: "shared", reason: "before", by: "b", since: 1 });
    const ballast = join(disk, "ballast");
    await writeFile(ballast, Buffer.alloc(128 * 1024)).catch(() => undefined);

    const long = { ...step, node: "x".repeat(8_000) };
    await expect(journal.intent(long)).rejects.toMatchObject({ code: "STATE_IO" });
    await expect(
      hold(state, { address: "fleet", reason: "full".repeat(2_000), by: "b", since: 1 }),
    ).rejects.toMatchObject({
      code: "STATE_IO",
      message: expect.stringContaining("ENOSPC"),
    });

    await writeFile(ballast, "");
    journal.result({ ...step, status: "done" });
    expect(await readJournal(state, { limit: 10 })).toMatchObject([{ phase: "result" }, { phase: "intent" }]);
    await hold(state, { address: "fleet", reason: "after", by: "b", since: 1 });
  });
});
