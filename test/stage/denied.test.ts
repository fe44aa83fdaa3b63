import { expect, it } from "vitest";
import { resolveStage } from "../../src/resolve/stage.ts";
import { decide } from "../../src/stage/decide.ts";
import { stageRules } from "../../src/stage/rules.ts";
import { conflictLooks, openTrees, surveyStage } from "../../src/stage/survey.ts";
import type { Made } from "./scene.ts";
import { put, scene, staged } from "./scene.ts";

// What an agent could have git run as the person who applies its work, and what is only like it.

const text: Made = { kind: "file", bytes: "x", mode: 0o644 };
const link: Made = { kind: "link", target: "a" };

const DENIED: readonly (readonly [string, Made])[] = [
  [".git/config", text],
  [".git/config.worktree", text],
  [".git/hooks/pre-commit", text],
  [".git/hooks", link],
  [".git/commondir", text],
  [".git/info/attributes", text],
  [".git/worktrees/w/config.worktree", text],
  [".git/modules/m/config", text],
  [".git/modules/a/b/hooks/post-checkout", text],
  ["nested/deep/.git/config", text],
  ["nested/.git/hooks/pre-push", text],
  ["nested/.git/modules/m/hooks/x", text],
  [".git", text],
  [".git", link],
  ["nested/.git", text],
  ["nested/.git", link],
];

const TAKEN: readonly (readonly [string, Made])[] = [
  [".git/HEAD", text],
  [".git/refs/heads/config", text],
  [".git/objects/ab/cdef", text],
  ["nested/.git/index", text],
  [".github/hooks/x", text],
  [".gitignore", text],
  ["src/config", text],
  ["hooks/use", text],
];

async function refused(path: string, made: Made): Promise<readonly string[]> {
  using on = scene();
  const stage = await staged(on);
  put(stage.tree, path, made);
  const rules = await stageRules(resolveStage(undefined), () => undefined);
  using open = openTrees(stage);
  const { differences, mine } = await surveyStage(stage, open);
  const looks = conflictLooks(open, stage);
  const all = { differences, mine, wanted: () => true, ignored: new Set<string>(), rules, looks };
  return decide(all).refusals.map(({ path: named, code }) => `${code} ${named}`);
}

it.each(DENIED)("%j is not taken from an agent unless somebody says so (%o)", async (path, made) => {
  expect(await refused(path, made)).toContain(`denied ${path}`);
});

it.each(TAKEN)("%j is a file like any other", async (path, made) => {
  expect(await refused(path, made)).toEqual([]);
});
