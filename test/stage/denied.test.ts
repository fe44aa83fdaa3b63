import { describe, expect, it } from "vitest";
import { resolveStage } from "../../src/resolve/stage.ts";
import { decide } from "../../src/stage/decide.ts";
import { stageRules } from "../../src/stage/rules.ts";
import { conflictLooks, openTrees, surveyStage } from "../../src/stage/survey.ts";
import type { Made } from "./scene.ts";
import { makeAll, remove, scene, staged } from "./scene.ts";

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

type Entries = readonly (readonly [string, Made])[];

/** What stands against an apply, once the agent has put these entries into a workspace of those and taken others away. */
async function refusals(
  agent: Entries,
  workspace: Entries = [],
  gone: readonly string[] = [],
): Promise<string[]> {
  using on = scene();
  makeAll(on.workspace, workspace);
  const stage = await staged(on);
  makeAll(stage.tree, agent);
  for (const path of gone) remove(stage.tree, path);
  const rules = await stageRules(resolveStage(undefined), () => undefined);
  using open = openTrees(stage);
  const { differences, mine } = await surveyStage(stage, open);
  const looks = conflictLooks(open, stage);
  const all = { differences, mine, wanted: () => true, ignored: new Set<string>(), rules, looks };
  return decide(all).refusals.map(({ path, code }) => `${code} ${path}`);
}

it.each(DENIED)("%j is not taken from an agent unless somebody says so (%o)", async (path, made) => {
  expect(await refusals([[path, made]])).toContain(`denied ${path}`);
});

it.each(TAKEN)("%j is a file like any other", async (path, made) => {
  expect(await refusals([[path, made]])).toEqual([]);
});

describe("a folder that git takes for a repository by what is in it", () => {
  const bare: Entries = [
    ["bare/HEAD", text],
    ["bare/objects/ab", text],
    ["bare/refs/heads", text],
  ];

  it("is not made by an agent, whose config may be there already", async () => {
    const found = await refusals([...bare, ["bare/deep/file", text]], [["bare/config", text]]);
    for (const path of ["bare/HEAD", "bare/objects", "bare/refs"]) expect(found).toContain(`denied ${path}`);
    expect(found).not.toContain("denied bare/deep/file");
  });

  it("is one as well where it says whose objects and config are its own", async () => {
    const found = await refusals([
      ["odd/HEAD", text],
      ["odd/commondir", text],
      ["odd/hooks/update", text],
    ]);
    for (const path of ["odd/HEAD", "odd/commondir", "odd/hooks"]) expect(found).toContain(`denied ${path}`);
    expect(await refusals([["bare/commondir", text]], bare)).toEqual(["denied bare/commondir"]);
    expect(await refusals([["odd/commondir", text]])).toEqual([]);
  });

  it("gets no config and no hooks of an agent's, and everything else", async () => {
    const changed: Entries = [
      ["bare/config", text],
      ["bare/hooks/update", text],
      ["bare/objects/cd", text],
    ];
    expect(await refusals(changed, bare)).toEqual([
      "denied bare/config",
      "denied bare/hooks",
      "denied bare/hooks/update",
    ]);
  });

  it("may lose what it runs", async () => {
    expect(await refusals([], [...bare, ["bare/config", text]], ["bare/config"])).toEqual([]);
  });
});
