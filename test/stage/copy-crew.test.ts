import { tmpdir } from "node:os";
import { expect, it } from "vitest";
import { AT_ONCE, makeCrew, release } from "../../src/stage/copy-crew.ts";
import type { OpenFolder } from "../../src/stage/copy-crew.ts";
import { FolderHandle } from "../../src/util/folder-handle.ts";

/** A folder of nothing, and a promise that it was finished. */
function opened(handle: FolderHandle): { readonly folder: OpenFolder; readonly finished: Promise<void> } {
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  return { folder: { from: handle, to: handle, left: 1, finish: () => finish() }, finished };
}

it("a folder is finished by whatever comes last, and no more go at a time than may", async () => {
  using handle = FolderHandle.open(tmpdir());
  const { folder, finished } = opened(handle);
  const crew = makeCrew();
  let [busy, most, done] = [0, 0, 0];
  for (let n = 0; n < 500; n += 1) {
    await crew.take(folder, async () => {
      busy += 1;
      most = Math.max(most, busy);
      await new Promise((resolve) => setImmediate(resolve));
      busy -= 1;
      done += 1;
    });
  }
  release(folder);
  await finished;
  expect([busy, most, done]).toEqual([0, AT_ONCE, 500]);
  crew.throwIfFailed();
});

it("what fails is told by the next that is asked, and what is under way is waited for", async () => {
  using handle = FolderHandle.open(tmpdir());
  const { folder, finished } = opened(handle);
  const crew = makeCrew();
  let [letGo, ended]: [() => void, boolean] = [() => undefined, false];
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  await crew.take(folder, async () => {
    await gate;
    ended = true;
  });
  await crew.take(folder, async () => {
    throw new Error("no space");
  });
  await new Promise((resolve) => setImmediate(resolve));
  await expect(crew.take(folder, async () => undefined)).rejects.toThrow("no space");
  release(folder);
  letGo();
  await finished;
  expect(ended).toBe(true);
  expect(() => crew.throwIfFailed()).toThrow("no space");
});
