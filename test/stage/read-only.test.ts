import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { discard, followIfClean } from "../../src/stage/discard.ts";
import { dropStage } from "../../src/stage/stage.ts";
import { filesOf, makeAll, put, remove, scene, staged } from "./scene.ts";

// Folders that are closed to their own owner, such as Go keeps its modules in. Only root may write to them anyway.

const NOBODY = 65_534;

/** Until it is disposed, this process may do no more than anybody; where it is not root, that is so already. */
function asAnybody(): Disposable {
  const root = process.geteuid?.() === 0;
  if (root) {
    process.setegid?.(NOBODY);
    process.seteuid?.(NOBODY);
  }
  return {
    [Symbol.dispose]() {
      if (!root) return;
      process.seteuid?.(0);
      process.setegid?.(0);
    },
  };
}

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

it("folders that are closed to their owner are followed, thrown away and taken away", async () => {
  // First as whoever runs this, so that all that is needed is loaded before it may be out of reach.
  await throughout();
  using _ = asAnybody();
  await throughout();
});
