import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { appliedIds, beginApply, recover, settle } from "../../src/stage/carry-out.ts";
import type { Difference } from "../../src/stage/compare.ts";
import { decide } from "../../src/stage/decide.ts";
import { followIfClean } from "../../src/stage/discard.ts";
import { newJournalFolder, underWay } from "../../src/stage/journal.ts";
import type { Stage } from "../../src/stage/stage.ts";
import { listStages } from "../../src/stage/stage.ts";
import { conflictLooks, openTrees, surveyStage } from "../../src/stage/survey.ts";
import type { Made, Scene } from "./scene.ts";
import { filesOf, makeAll, NO_RULES, put, remove, scene, staged } from "./scene.ts";

// An apply that ends at any of its writes, on a real file system, and never gets to clean up.

const WRITES = [
  "writeSync",
  "openSync",
  "renameSync",
  "unlinkSync",
  "symlinkSync",
  "mkdirSync",
  "rmdirSync",
  "chmodSync",
  "fchmodSync",
  "fsyncSync",
  "open",
  "write",
  "rename",
] as const;
const LATER_WRITES = ["rename", "rm", "mkdir"] as const;

/** Ends the process, as far as it can tell, right before its n-th write; disposed, everything works again. */
function strikeAt(n: number): Disposable & { readonly struck: () => boolean } {
  let seen = 0;
  const originals = [
    ...WRITES.map((name) => [fs, name, fs[name]] as const),
    ...LATER_WRITES.map((name) => [fs.promises, name, fs.promises[name]] as const),
  ];
  for (const [of, name, original] of originals) {
    const struck = (...args: readonly unknown[]): unknown => {
      const reads = name === "openSync" && typeof args[1] === "number" && (args[1] & 3) === 0;
      if (!reads) seen += 1;
      if (!reads && seen >= n) throw new Error("killed");
      return Reflect.apply(original, of, args);
    };
    Object.assign(of, { [name]: struck });
  }
  syncBuiltinESMExports();
  return {
    struck: () => seen >= n,
    [Symbol.dispose]() {
      for (const [of, name, original] of originals) Object.assign(of, { [name]: original });
      syncBuiltinESMExports();
    },
  };
}

const file = (bytes: string, mode = 0o644): Made => ({ kind: "file", bytes, mode });

async function prepared(on: Scene): Promise<Stage> {
  makeAll(on.workspace, [
    ["changed", file("one\n")],
    ["gone", file("x")],
    ["folder/below", file("y")],
    ["turned", file("z")],
    ["mode", file("m")],
  ]);
  const stage = await staged(on);
  put(stage.tree, "changed", file("two\n"));
  remove(stage.tree, "gone");
  remove(stage.tree, "folder");
  put(stage.tree, "folder", { kind: "link", target: "changed" });
  remove(stage.tree, "turned");
  put(stage.tree, "turned/into/one", file("new"));
  put(stage.tree, "mode", file("m", 0o755));
  return stage;
}

async function choose(stage: Stage): Promise<readonly Difference[]> {
  using open = openTrees(stage);
  const { differences, mine } = await surveyStage(stage, open);
  const looks = conflictLooks(open, stage);
  const all = { differences, mine, wanted: () => true, ignored: new Set<string>(), rules: NO_RULES, looks };
  return decide(all).chosen;
}

const ID = { id: "20260101-one", now: 0 };

/** Applies everything and ends at the n-th write; false when there were fewer. */
async function applyUntil(stage: Stage, n: number): Promise<boolean> {
  const chosen = await choose(stage);
  using strike = strikeAt(n);
  try {
    await settle(stage, await beginApply(stage, chosen, ID));
  } catch (thrown) {
    expect(String(thrown)).toContain("killed");
  }
  return strike.struck();
}

/** What a look after it shows of the workspace: all of the apply, or nothing. */
async function isDone(stage: Stage): Promise<boolean> {
  const done = await recover(stage);
  return done === "finished" || (done === "nothing" && (await appliedIds(stage)).includes(ID.id));
}

describe("an apply", () => {
  it(
    "is finished by the next command, or never happened, wherever it was killed",
    { timeout: 120_000 },
    async () => {
      let at = 0;
      for (let struck = true; struck;) {
        at += 1;
        using on = scene();
        const stage = await prepared(on);
        const [before, after] = [filesOf(on.workspace), filesOf(stage.tree)];
        struck = await applyUntil(stage, at);
        const wanted = (await isDone(stage)) ? after : before;
        expect([at, [...filesOf(on.workspace)]]).toEqual([at, [...wanted]]);
      }
      expect(at).toBeGreaterThan(40);
    },
  );

  it(
    "neither undoes what is agreed nor takes a person's edit as agreed, wherever it was killed",
    { timeout: 120_000 },
    async () => {
      let at = 0;
      for (let struck = true; struck;) {
        at += 1;
        using on = scene();
        const stage = await prepared(on);
        const [before, after] = [filesOf(on.workspace), filesOf(stage.tree)];
        struck = await applyUntil(stage, at);
        put(on.workspace, "changed", file("a person's\n"));
        const done = await isDone(stage);
        const clean = await followIfClean(stage, 1);
        const wanted = new Map(done ? after : before).set("changed", file("a person's\n"));
        expect([at, [...filesOf(on.workspace)]]).toEqual([at, [...wanted]]);
        // The agent's work is where it was, unless all of it is in the workspace and agreed.
        expect([at, [...filesOf(stage.tree)]]).toEqual([at, clean && done ? [...wanted] : [...after]]);
        expect(clean && !done).toBe(false);
      }
      expect(at).toBeGreaterThan(40);
    },
  );
});

it("a journal that cannot be read is not written over", async () => {
  using on = scene();
  const stage = await prepared(on);
  await beginApply(stage, await choose(stage), ID);
  const journal = join(underWay(stage.dir), "journal.json");
  fs.writeFileSync(journal, fs.readFileSync(journal).subarray(0, 40));
  await expect(newJournalFolder(stage.dir)).rejects.toMatchObject({ code: "STAGE_DAMAGED" });
  await expect(recover(stage)).rejects.toMatchObject({ code: "STAGE_DAMAGED" });
  expect(fs.existsSync(join(underWay(stage.dir), "before", "0"))).toBe(true);
});

it("a stage whose description cannot be read is not begun anew over the agent's work", async () => {
  using on = scene();
  const stage = await prepared(on);
  fs.writeFileSync(join(stage.dir, "stage.json"), "{");
  const mine = filesOf(stage.tree);
  await expect(staged(on)).rejects.toMatchObject({
    code: "STAGE_DAMAGED",
    hint: expect.stringContaining(stage.tree),
  });
  expect([...filesOf(stage.tree)]).toEqual([...mine]);
  expect(await listStages(on.stateDir, stage.meta.fleet)).toMatchObject({
    stages: [],
    broken: [{ address: stage.meta.address, fault: { hint: expect.stringContaining(stage.tree) } }],
  });
});
