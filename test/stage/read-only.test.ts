import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { StageContext } from "../../src/stage/actions.ts";
import { discardStage, hasChanges } from "../../src/stage/actions.ts";
import { discard, followIfClean } from "../../src/stage/discard.ts";
import { dropStage } from "../../src/stage/stage.ts";
import { fleetState } from "../../src/state/directory.ts";
import { asAnybody } from "../support/anybody.ts";
import { filesOf, makeAll, NO_RULES, put, remove, scene, staged } from "./scene.ts";

// Folders that are closed to their own owner, such as Go keeps its modules in. Only root may write to them anyway.

async function throughout(): Promise<void> {
  using on = scene();
  const text = (bytes: string) => ({ kind: "file", bytes, mode: 0o444 }) as const;
  makeAll(on.workspace, [
    ["closed/changed", text("one")],
    ["closed/below/gone", text("x")],
  ]);
  const close = (root: string): void => {
    for (const each of ["closed/below", "closed"]) chmodSync(join(root, each), 0o555);
  };
  const unclose = (root: string): void => {
    for (const each of ["closed", "closed/below"]) chmodSync(join(root, each), 0o755);
  };
  close(on.workspace);
  try {
    const stage = await staged(on);
    unclose(on.workspace);
    put(on.workspace, "closed/changed", text("two"));
    put(on.workspace, "closed/new", text("new"));
    remove(on.workspace, "closed/below/gone");
    close(on.workspace);
    expect(await followIfClean(stage, 1)).toBe(true);
    expect([...filesOf(stage.tree)]).toEqual([...filesOf(on.workspace)]);
    unclose(stage.tree);
    put(stage.tree, "closed/changed", text("of the agent"));
    close(stage.tree);
    await discard(stage, ["closed/changed"], 2);
    expect([...filesOf(stage.tree)]).toEqual([...filesOf(on.workspace)]);
    await dropStage(stage.dir);
    expect(existsSync(stage.dir)).toBe(false);
    expect((await staged(on)).meta.source).toBe(on.workspace);
  } finally {
    // What is read-only cannot be cleaned up by its owner.
    unclose(on.workspace);
    const tree = join(on.stateDir, "stages", "team");
    if (existsSync(tree)) await dropStage(tree);
  }
}

async function unread(): Promise<void> {
  using on = scene();
  makeAll(on.workspace, [["a/b", { kind: "file", bytes: "x", mode: 0o644 }]]);
  const stage = await staged(on);
  put(stage.tree, "a/b", { kind: "file", bytes: "y", mode: 0o644 });
  const closed = join(stage.tree, "a");
  chmodSync(closed, 0);
  // What is read-only cannot be cleaned up by its owner.
  using _opened = { [Symbol.dispose]: () => chmodSync(closed, 0o755) };
  const context: StageContext = {
    state: fleetState(on.stateDir, "team"),
    env: {},
    rules: NO_RULES,
    now: () => 1,
    newId: () => "20260101-one",
    busy: async () => undefined,
  };
  if (process.geteuid?.() !== 0)
    await expect(hasChanges(stage)).rejects.toMatchObject({ code: "STAGE_IO", kind: "denied" });
  const done = await discardStage(stage, context, "all", async () => true);
  expect(done.status).toBe("discarded");
  expect([...filesOf(stage.tree)]).toEqual([...filesOf(on.workspace)]);
  expect(await hasChanges(stage)).toBe(false);
}

it("an agent's copy that cannot be read to its end is told as that, and can be thrown away", async () => {
  await unread();
  using _ = asAnybody();
  await unread();
});

it("folders that are closed to their owner are followed, thrown away and taken away", async () => {
  // First as whoever runs this, so that all that is needed is loaded before it may be out of reach.
  await throughout();
  using _ = asAnybody();
  await throughout();
});
