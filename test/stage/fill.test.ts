import { chmodSync, mkdirSync, readdirSync, readlinkSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { fillTree } from "../../src/stage/fill.ts";
import { openTrees, surveyStage } from "../../src/stage/survey.ts";
import { CopyThread } from "../../src/util/copy-thread.ts";
import { FolderHandle } from "../../src/util/folder-handle.ts";
import { filesOf, put, scene, staged } from "./scene.ts";

/** So many that most of them are copied by the thread. */
const FILES = 1_000;

it("a large workspace is copied byte for byte, with permissions, times, links, odd names, and what is large", async () => {
  using on = scene();
  for (let n = 0; n < FILES; n += 1) {
    const mode = n % 7 === 0 ? 0o444 : n % 11 === 0 ? 0o750 : 0o644;
    put(on.workspace, `f${n % 3}/e${n % 13}/n${n}`, { kind: "file", bytes: "x".repeat(n), mode });
  }
  put(on.workspace, "f1/e1/\xff\nodd", { kind: "file", bytes: "\x00\xff", mode: 0o644 });
  put(on.workspace, "f2/large", { kind: "file", bytes: "0123456789abcdef".repeat(200_000), mode: 0o600 });
  put(on.workspace, "f2/link", { kind: "link", target: "../../outside" });
  put(on.workspace, "f2/empty", { kind: "folder", mode: 0o755 });
  utimesSync(join(on.workspace, "f0/e0/n0"), 1_000_000_000, 1_000_000_000);
  const stage = await staged(on);
  expect([...filesOf(stage.tree)]).toEqual([...filesOf(on.workspace)]);
  expect(statSync(join(stage.tree, "f0/e0/n0")).mtimeMs).toBe(1_000_000_000_000);
  chmodSync(join(stage.tree, "f2/large"), 0o640);
  using trees = openTrees(stage);
  const { differences, index } = await surveyStage(stage, trees);
  expect(differences.map(({ path }) => path)).toEqual(["f2/large"]);
  // Each file has its sign, so that no other is read to tell what changed.
  const unsigned = [...index].filter(([, { base, mine }]) => base.kind === "file" && mine === "");
  expect(unsigned).toEqual([]);
});

it("the thread says of each file whether it copied it, and goes on", async () => {
  using on = scene();
  put(on.workspace, "one", { kind: "file", bytes: "one", mode: 0o640 });
  await using thread = new CopyThread();
  const order = (from: string, to: string) => ({
    from: join(on.workspace, from),
    to: join(on.workspace, to),
    written: 5,
  });
  const copied = thread.copy({ files: [order("none", "a"), order("one", "b"), order("one", "b")], mode: 1 });
  const again = thread.copy({ files: [order("one", "c")], mode: 1 });
  expect([await copied, await again]).toEqual([[false, true, false], [true]]);
  expect(statSync(join(on.workspace, "c")).mtimeMs).toBe(5_000);
  expect(filesOf(on.workspace).get("b")).toEqual({ kind: "file", bytes: "one", mode: 0o640 });
});

/** Folders below a path that this process holds open. */
function heldBelow(path: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(`${path}/`) ? [target] : [];
    } catch {
      // Closed since it was listed.
      return [];
    }
  });
}

it.runIf(process.platform === "linux")(
  "a folder that cannot be opened in the copy leaves none open",
  async () => {
    using on = scene();
    put(on.workspace, "folder/file", { kind: "file", bytes: "x", mode: 0o644 });
    const copy = join(on.base, "copy");
    mkdirSync(copy);
    using real = FolderHandle.open(on.workspace);
    using mine = FolderHandle.open(copy);
    // As a process that has as many files open as it may.
    mine.child = () => {
      throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
    };
    await expect(fillTree({ real, mine }, () => false, { clones: undefined })).rejects.toThrow(
      "too many open",
    );
    expect(heldBelow(on.workspace)).toEqual([]);
  },
);
