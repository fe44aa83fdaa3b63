import { expect, it } from "vitest";
import { decide } from "../../src/stage/decide.ts";
import { conflictLooks, openTrees, surveyStage } from "../../src/stage/survey.ts";
import { makeAll, NO_RULES, put, remove, scene, staged } from "./scene.ts";

it("what is added to a folder that a person took away meanwhile is a conflict that names the folder", async () => {
  using on = scene();
  makeAll(on.workspace, [["b/c/old", { kind: "file", bytes: "", mode: 0o644 }]]);
  const stage = await staged(on);
  put(stage.tree, "b/c/new", { kind: "file", bytes: "x", mode: 0o644 });
  remove(on.workspace, "b");
  using open = openTrees(stage);
  const { differences, mine } = await surveyStage(stage, open);
  const looks = conflictLooks(open, stage);
  const all = { differences, mine, wanted: () => true, ignored: new Set<string>(), rules: NO_RULES, looks };
  expect(decide(all).conflicts).toEqual([
    { path: "b/c/new", agent: "added", workspace: "its folder b is gone" },
  ]);
});
