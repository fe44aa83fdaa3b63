import { rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyDifferences, appliedIds, beginApply, recover, settle } from "../../src/stage/carry-out.ts";
import { commit } from "../../src/stage/commit.ts";
import type { Decision } from "../../src/stage/decide.ts";
import { decide } from "../../src/stage/decide.ts";
import { discard, followIfClean, recoverDiscard } from "../../src/stage/discard.ts";
import { underWay } from "../../src/stage/journal.ts";
import { beginReversal, planReversal } from "../../src/stage/reverse.ts";
import type { Stage } from "../../src/stage/stage.ts";
import { conflictLooks, openTrees, surveyStage } from "../../src/stage/survey.ts";
import type { Files } from "../stage/scene.ts";
import { edit, edits, filesOf, makeAll, NO_RULES, scene, staged, trees } from "../stage/scene.ts";

const RUNS = { numRuns: Number(process.env["SANDKEEP_RUNS"] ?? 1) * 30 };
const ID = { id: "20260101-one", now: 0 };

async function decided(stage: Stage, wanted: (path: string) => boolean = () => true): Promise<Decision> {
  using open = openTrees(stage);
  const { differences, mine } = await surveyStage(stage, open);
  const looks = conflictLooks(open, stage);
  return decide({ differences, mine, wanted, ignored: new Set(), rules: NO_RULES, looks });
}

/** Links of the arbitrary trees may lead outside; such a change is another test's. */
function isApplicable({ refusals }: Decision): boolean {
  return refusals.length === 0;
}

const plain = (files: Files): readonly unknown[] => [...files];

describe("whatever the tree and whatever the agent does to it", () => {
  it("apply gives the agent's tree byte for byte, and then there is nothing left to apply", async () => {
    await fc.assert(
      fc.asyncProperty(trees, edits, async (tree, changes) => {
        using on = scene();
        makeAll(on.workspace, tree);
        const before = filesOf(on.workspace);
        const stage = await staged(on);
        expect(plain(filesOf(stage.tree))).toEqual(plain(before));
        edit(stage.tree, changes);
        const wanted = filesOf(stage.tree);
        expect(plain(filesOf(on.workspace))).toEqual(plain(before));
        const decision = await decided(stage);
        expect(decision.conflicts).toEqual([]);
        fc.pre(isApplicable(decision));
        await applyDifferences(stage, decision.chosen, ID);
        expect(plain(filesOf(on.workspace))).toEqual(plain(wanted));
        expect(plain(filesOf(stage.tree))).toEqual(plain(wanted));
        expect((await decided(stage)).chosen).toEqual([]);
      }),
      RUNS,
    );
  });

  it("discard leaves the workspace byte for byte, and the agent's tree becomes the same again", async () => {
    await fc.assert(
      fc.asyncProperty(trees, edits, async (tree, changes) => {
        using on = scene();
        makeAll(on.workspace, tree);
        const before = filesOf(on.workspace);
        const stage = await staged(on);
        edit(stage.tree, changes);
        await discard(stage, "all", 0);
        expect(plain(filesOf(on.workspace))).toEqual(plain(before));
        expect(plain(filesOf(stage.tree))).toEqual(plain(before));
        expect((await decided(stage)).chosen).toEqual([]);
      }),
      RUNS,
    );
  });

  it("an apply that is taken back leaves the workspace as it was, and the changes in the stage", async () => {
    await fc.assert(
      fc.asyncProperty(trees, edits, async (tree, changes) => {
        using on = scene();
        makeAll(on.workspace, tree);
        const before = filesOf(on.workspace);
        const stage = await staged(on);
        edit(stage.tree, changes);
        const mine = filesOf(stage.tree);
        const decision = await decided(stage);
        fc.pre(isApplicable(decision) && decision.chosen.length > 0);
        await applyDifferences(stage, decision.chosen, ID);
        const reversal = await planReversal(stage, ID.id, () => true);
        expect(reversal.conflicts).toEqual([]);
        await settle(stage, await beginReversal(stage, reversal, { id: "20260101-two", now: 1 }));
        expect(plain(filesOf(on.workspace))).toEqual(plain(before));
        expect(plain(filesOf(stage.tree))).toEqual(plain(mine));
        const again = await decided(stage);
        expect(again.conflicts).toEqual([]);
        expect(again.chosen.map(({ path }) => path)).toEqual(decision.chosen.map(({ path }) => path));
        expect(await appliedIds(stage)).toEqual([]);
      }),
      RUNS,
    );
  });

  it("what a person does meanwhile is never lost: it is a conflict, or both sides' work is there afterwards", async () => {
    await fc.assert(
      fc.asyncProperty(trees, edits, edits, async (tree, agent, person) => {
        using on = scene();
        makeAll(on.workspace, tree);
        const before = filesOf(on.workspace);
        const stage = await staged(on);
        edit(stage.tree, agent);
        edit(on.workspace, person);
        const [mine, theirs] = [filesOf(stage.tree), filesOf(on.workspace)];
        const { chosen, conflicts, refusals } = await decided(stage);
        fc.pre(refusals.length === 0);
        const changed = (files: Files, path: string): boolean =>
          JSON.stringify(files.get(path)) !== JSON.stringify(before.get(path));
        const differs = (path: string): boolean =>
          JSON.stringify(mine.get(path)) !== JSON.stringify(theirs.get(path));
        const all = new Set([...before.keys(), ...mine.keys(), ...theirs.keys()]);
        const clashing = [...all].filter(
          (path) => changed(mine, path) && changed(theirs, path) && differs(path),
        );
        const named = conflicts.map(({ path }) => path);
        for (const path of clashing) expect(named).toContain(path);
        if (conflicts.length > 0) return;
        await applyDifferences(stage, chosen, ID);
        const after = filesOf(on.workspace);
        for (const path of all) {
          const side = changed(mine, path) ? mine : theirs;
          expect([path, after.get(path)]).toEqual([path, side.get(path)]);
        }
      }),
      RUNS,
    );
  });

  it("killed after any of its steps, an apply is finished by whoever comes next", async () => {
    await fc.assert(
      fc.asyncProperty(trees, edits, fc.nat(40), async (tree, changes, last) => {
        using on = scene();
        makeAll(on.workspace, tree);
        const stage = await staged(on);
        edit(stage.tree, changes);
        const wanted = filesOf(stage.tree);
        const decision = await decided(stage);
        fc.pre(isApplicable(decision) && decision.chosen.length > 0);
        const journal = await beginApply(stage, decision.chosen, ID);
        let steps = 0;
        const killed = commit(on.workspace, underWay(stage.dir), journal, () => {
          if (steps++ === last) throw new Error("killed");
        });
        await killed.catch(() => undefined);
        expect(await recover(stage)).toBe("finished");
        expect(plain(filesOf(on.workspace))).toEqual(plain(wanted));
        expect((await decided(stage)).chosen).toEqual([]);
        expect(await recover(stage)).toBe("nothing");
      }),
      RUNS,
    );
  });

  it("and where somebody else has been there since, it is undone, and leaves what they did", async () => {
    await fc.assert(
      fc.asyncProperty(trees, edits, fc.nat(40), async (tree, changes, last) => {
        using on = scene();
        makeAll(on.workspace, tree);
        const before = filesOf(on.workspace);
        const stage = await staged(on);
        edit(stage.tree, changes);
        const path = "of both";
        makeAll(stage.tree, [[path, { kind: "file", bytes: "of the agent", mode: 0o644 }]]);
        const decision = await decided(stage);
        fc.pre(isApplicable(decision));
        const journal = await beginApply(stage, decision.chosen, ID);
        let steps = 0;
        const killed = commit(on.workspace, underWay(stage.dir), journal, () => {
          if (steps++ === last) throw new Error("killed");
        });
        await killed.catch(() => undefined);
        makeAll(on.workspace, [[path, { kind: "file", bytes: "a person's own", mode: 0o640 }]]);
        expect(await recover(stage)).toBe("undone");
        const after = filesOf(on.workspace);
        expect(after.get(path)).toMatchObject({ bytes: "a person's own" });
        const others = new Map([...after].filter(([each]) => each !== path));
        expect(plain(others)).toEqual(plain(before));
      }),
      RUNS,
    );
  });
});

describe("a discard", () => {
  it("that was killed is gone on with", async () => {
    using on = scene();
    makeAll(on.workspace, [["a", { kind: "file", bytes: "one", mode: 0o644 }]]);
    const stage = await staged(on);
    makeAll(stage.tree, [["a", { kind: "file", bytes: "two", mode: 0o644 }]]);
    rmSync(join(stage.dir, "index"));
    await expect(discard(stage, ["a"], 0)).rejects.toThrow("torn or missing");
    await discard(stage, "all", 0);
    expect(plain(filesOf(stage.tree))).toEqual(plain(filesOf(on.workspace)));
    expect(await recoverDiscard(stage, 0)).toBe(false);
  });
});

it("a stage without changes follows the workspace, and one with changes stays as it began", async () => {
  await fc.assert(
    fc.asyncProperty(trees, edits, async (tree, person) => {
      using on = scene();
      makeAll(on.workspace, tree);
      const stage = await staged(on);
      edit(on.workspace, person);
      expect(await followIfClean(stage, 1)).toBe(true);
      expect(plain(filesOf(stage.tree))).toEqual(plain(filesOf(on.workspace)));
      makeAll(stage.tree, [["of the agent", { kind: "file", bytes: "x", mode: 0o644 }]]);
      const mine = filesOf(stage.tree);
      edit(on.workspace, person);
      expect(await followIfClean(stage, 2)).toBe(false);
      expect(plain(filesOf(stage.tree))).toEqual(plain(mine));
    }),
    RUNS,
  );
});
