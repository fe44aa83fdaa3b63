import { truncateSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { resolveStage } from "../../src/resolve/stage.ts";
import { applyStage, diffStage } from "../../src/stage/actions.ts";
import type { StageContext } from "../../src/stage/actions.ts";
import { makePatch } from "../../src/stage/patch.ts";
import { stageRules } from "../../src/stage/rules.ts";
import type { Stage } from "../../src/stage/stage.ts";
import { openTrees, surveyStage } from "../../src/stage/survey.ts";
import { fleetState } from "../../src/state/directory.ts";
import type { Scene } from "./scene.ts";
import { filesOf, put, scene, staged } from "./scene.ts";

// Files that take no room on a disk and more than there is once they are read.

const HUGE = 100 * 1024 ** 3;
/** More than one buffer of what is compared by lines. */
const LARGE = 5 * 1024 ** 2;

async function withFile(on: Scene, size: number): Promise<{ stage: Stage; context: StageContext }> {
  const stage = await staged(on);
  put(stage.tree, "large", { kind: "file", bytes: "text\n".repeat(3000), mode: 0o644 });
  truncateSync(join(stage.tree, "large"), size);
  const context: StageContext = {
    state: fleetState(on.stateDir, "team"),
    env: {},
    rules: await stageRules(resolveStage(undefined), () => undefined),
    now: () => 1,
    newId: () => "20260101-one",
    busy: async () => undefined,
  };
  return { stage, context };
}

it("a file larger than anything that may be applied is refused without being read", async () => {
  using on = scene();
  const { stage, context } = await withFile(on, HUGE);
  const outcome = await applyStage(
    stage,
    context,
    () => true,
    async () => true,
  );
  expect(outcome).toMatchObject({ status: "refused", refusals: [{ path: "large", code: "too-large" }] });
  using trees = openTrees(stage);
  const patch = makePatch((await surveyStage(stage, trees)).differences, trees);
  expect(patch).toMatchObject({ files: 0, left_out: [{ path: "large" }] });
});

it("one that is too large for its lines is told by its size and hash, and applied whole", async () => {
  using on = scene();
  const { stage, context } = await withFile(on, LARGE);
  const shown = [];
  for await (const each of diffStage(stage, context, () => true)) shown.push(each);
  expect(shown).toMatchObject([
    { change: { path: "large", change: "added", after: { size: LARGE }, binary: false }, hunks: undefined },
  ]);
  const outcome = await applyStage(
    stage,
    context,
    () => true,
    async () => true,
  );
  expect(outcome).toMatchObject({ status: "applied", applied: [{ after: shown[0]?.change.after }] });
  expect(filesOf(on.workspace).get("large")).toEqual(filesOf(stage.tree).get("large"));
});
