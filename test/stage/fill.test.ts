import {
  chmodSync,
  chownSync,
  constants,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { fillTree } from "../../src/stage/fill.ts";
import { openTrees, surveyStage } from "../../src/stage/survey.ts";
import { bytePath } from "../../src/util/byte-path.ts";
import { CopyThreads } from "../../src/util/copy-thread.ts";
import { lookAt } from "../../src/util/file-tree.ts";
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

it("the threads say of each file whether they copied it, and go on", async () => {
  using on = scene();
  put(on.workspace, "one", { kind: "file", bytes: "one", mode: 0o640 });
  put(on.workspace, "two", { kind: "file", bytes: "twice", mode: 0o644 });
  using folder = FolderHandle.open(on.workspace);
  await using threads = new CopyThreads();
  const order = (from: string, to: string, as = from) => {
    const entry = lookAt(folder, bytePath(as));
    if (entry === undefined) throw new Error(`there is no ${as}`);
    return { from: join(on.workspace, from), to: join(on.workspace, to), entry, written: 5 };
  };
  const mode = constants.COPYFILE_EXCL;
  const files = [order("none", "a", "one"), order("one", "b"), order("one", "b"), order("two", "d", "one")];
  const [first, second] = await Promise.all([
    threads.copy({ files, mode }),
    threads.copy({ files: [order("one", "c")], mode }),
  ]);
  const signs = ["b", "c"].map((name) => lookAt(folder, bytePath(name))?.sign);
  expect([first, second]).toEqual([["", signs[0], "", ""], [signs[1]]]);
  expect(statSync(join(on.workspace, "c")).mtimeMs).toBe(5_000);
  expect(filesOf(on.workspace).get("b")).toEqual({ kind: "file", bytes: "one", mode: 0o640 });
});

it.runIf(process.getuid?.() === 0)(
  "what another user owns, and what runs as its owner, is so in the copy",
  async () => {
    using on = scene();
    put(on.workspace, "own", { kind: "file", bytes: "own", mode: 0o644 });
    const path = join(on.workspace, "own");
    chownSync(path, 1234, 4321);
    chmodSync(path, 0o4711);
    using folder = FolderHandle.open(on.workspace);
    await using threads = new CopyThreads();
    const entry = lookAt(folder, bytePath("own"));
    if (entry === undefined) throw new Error("there is no file");
    const to = join(on.workspace, "copy");
    await threads.copy({ files: [{ from: path, to, entry, written: 5 }], mode: constants.COPYFILE_EXCL });
    expect(lookAt(folder, bytePath("copy"))).toMatchObject({ uid: 1234, gid: 4321, mode: 0o4711 });
  },
);

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
