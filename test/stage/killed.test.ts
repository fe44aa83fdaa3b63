import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { expect, it } from "vitest";
import { beginApply, recover } from "../../src/stage/carry-out.ts";
import { commit } from "../../src/stage/commit.ts";
import { decide } from "../../src/stage/decide.ts";
import { underWay } from "../../src/stage/journal.ts";
import type { Stage } from "../../src/stage/stage.ts";
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
] as const;

/** Ends the process, as far as it can tell, right before its n-th write; disposed, everything works again. */
function strikeAt(n: number): Disposable & { readonly struck: () => boolean } {
  let seen = 0;
  const originals = WRITES.map((name) => [name, fs[name]] as const);
  for (const [name, original] of originals) {
    const struck = (...args: readonly unknown[]): unknown => {
      const reads = name === "openSync" && typeof args[1] === "number" && (args[1] & 3) === 0;
      if (!reads) seen += 1;
      if (!reads && seen >= n) throw new Error("killed");
      return Reflect.apply(original, fs, args);
    };
    Object.assign(fs, { [name]: struck });
  }
  syncBuiltinESMExports();
  return {
    struck: () => seen >= n,
    [Symbol.dispose]() {
      for (const [name, original] of originals) Object.assign(fs, { [name]: original });
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

it(
  "is finished by the next command, or never happened, wherever it was killed",
  { timeout: 120_000 },
  async () => {
    let struck = true;
    let at = 0;
    while (struck) {
      at += 1;
      using on = scene();
      const stage = await prepared(on);
      const [before, after] = [filesOf(on.workspace), filesOf(stage.tree)];
      let chosen;
      {
        using open = openTrees(stage);
        const { differences, mine } = await surveyStage(stage, open);
        const looks = conflictLooks(open, stage);
        ({ chosen } = decide({
          differences,
          mine,
          wanted: () => true,
          ignored: new Set(),
          rules: NO_RULES,
          looks,
        }));
      }
      {
        using strike = strikeAt(at);
        try {
          const journal = await beginApply(stage, chosen, { id: "20260101-one", now: 0 });
          await commit(on.workspace, underWay(stage.dir), journal);
        } catch (thrown) {
          expect(String(thrown)).toContain("killed");
        }
        struck = strike.struck();
      }
      const done = await recover(stage);
      const wanted = done === "finished" ? after : before;
      expect([at, [...filesOf(on.workspace)]]).toEqual([at, [...wanted]]);
    }
    expect(at).toBeGreaterThan(30);
  },
);
