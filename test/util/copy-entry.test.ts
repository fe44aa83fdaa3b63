import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytePath } from "../../src/util/byte-path.ts";
import type { CopiedFile } from "../../src/util/copy-entry.ts";
import { copyFile, copyFiles } from "../../src/util/copy-entry.ts";
import type { Copied, CopyOrder } from "../../src/util/copy-thread.ts";
import { CopyThreads, moveContents, serve } from "../../src/util/copy-thread.ts";
import { lookAt, signOf } from "../../src/util/file-tree.ts";
import { FolderHandle } from "../../src/util/folder-handle.ts";

// Another process at work in a workspace while it is copied: what becomes of a file that was a file just now.

const NAME = bytePath("file");

let base = "";
const place = (...parts: readonly string[]): string => join(base, ...parts);
const file = (): string => place("from", "file");

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "sandkeep-copy-")));
  for (const name of ["from", "to"]) mkdirSync(place(name));
  writeFileSync(file(), "first");
  writeFileSync(place("outside"), "not the agent's");
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** What takes its place, and what of it is to be in the copy. */
const SWAPS: readonly (readonly [string, () => void, readonly string[]])[] = [
  ["goes", () => undefined, []],
  ["becomes a link", () => symlinkSync("../outside", file()), []],
  ["becomes a link to what has no end", () => symlinkSync("/dev/zero", file()), []],
  ["becomes a pipe that nobody writes to", () => void execFileSync("mkfifo", [file()]), []],
  ["becomes a folder", () => mkdirSync(file()), []],
  ["is written anew", () => writeFileSync(file(), "second, longer"), ["second, longer"]],
];

const contents = (): string[] =>
  readdirSync(place("to")).map((name) => readFileSync(place("to", name), "utf8"));

type Copying = (from: FolderHandle, to: FolderHandle, swap: () => void) => Promise<readonly CopiedFile[]>;

const WAYS: Readonly<Record<string, Copying>> = {
  "before it is copied alone": async (from, to, swap) => {
    const found = lookAt(from, NAME);
    swap();
    const copied = copyFile(from, to, NAME, { clones: undefined }, found);
    return copied === undefined ? [] : [copied];
  },
  "before it is copied in a batch": async (from, to, swap) => {
    await using threads = new CopyThreads();
    return await inBatch(from, to, threads, swap);
  },
};

async function inBatch(
  from: FolderHandle,
  to: FolderHandle,
  threads: CopyThreads,
  swap: () => void,
): Promise<readonly CopiedFile[]> {
  const entry = lookAt(from, NAME);
  if (entry === undefined) throw new Error("there is no file to copy");
  swap();
  const copied = await copyFiles(from, to, [{ name: NAME, entry }], { clones: false }, threads);
  return copied.map(([, each]) => each);
}

describe.runIf(process.platform === "linux").each(Object.entries(WAYS))(
  "a file that changes %s",
  (_, copy) => {
    it.each(SWAPS)("and %s", async (_what, make, left) => {
      using from = FolderHandle.open(place("from"));
      using to = FolderHandle.open(place("to"));
      const copied = await copy(from, to, () => {
        rmSync(file());
        make();
      });
      expect(contents()).toEqual(left);
      // The index says what is there, and nothing else.
      expect(copied.map(({ mine }) => mine)).toEqual(left.map(() => lookAt(to, NAME)?.sign));
    });
  },
);

/** The thread's own work, with a file system in which something happens. */
function served(changes: Partial<typeof fs>, order: CopyOrder): Copied {
  let take: ((order: CopyOrder) => void) | undefined;
  let answer: Copied = [];
  const port = {
    on: (_: "message", listener: (order: CopyOrder) => void) => void (take = listener),
    postMessage: (copied: Copied) => void (answer = copied),
  };
  serve({ ...fs, ...changes }, port, signOf, moveContents);
  take?.(order);
  return answer;
}

function orderOf(name: string): CopyOrder {
  using from = FolderHandle.open(place("from"));
  const entry = lookAt(from, bytePath(name));
  if (entry === undefined) throw new Error(`there is no ${name}`);
  return {
    files: [{ from: place("from", name), to: place("to", name), entry, written: 5 }],
    mode: fs.constants.COPYFILE_EXCL,
  };
}

describe("a thread's copy", () => {
  it("counts for nothing when its source was written meanwhile", () => {
    const order = orderOf("file");
    const write: typeof fs.futimesSync = (fd, atime, mtime) => {
      fs.futimesSync(fd, atime, mtime);
      writeFileSync(file(), "other");
    };
    expect(served({ futimesSync: write }, order)).toEqual([""]);
    expect(served({}, { ...orderOf("file"), files: [] })).toEqual([]);
  });

  it("is whole where a read answers with less than it was asked for", () => {
    const read = (fd: number, into: NodeJS.ArrayBufferView, offset: number, length: number, at: number) =>
      fs.readSync(fd, into, offset, Math.min(length, 2), at);
    const answer = served({ readSync: read as typeof fs.readSync }, orderOf("file"));
    using to = FolderHandle.open(place("to"));
    expect(answer).toEqual([lookAt(to, NAME)?.sign]);
    expect(contents()).toEqual(["first"]);
  });

  it("counts for nothing where its source became shorter", () => {
    const order = orderOf("file");
    expect(served({ readSync: () => 0 }, order)).toEqual([""]);
  });

  it.each([10, 400_000])("of %s bytes that nobody may write is made once", (bytes) => {
    writeFileSync(file(), "x".repeat(bytes), { mode: 0o444 });
    fs.chmodSync(file(), 0o444);
    const opened: number[] = [];
    const open: typeof fs.openSync = (path, flags, mode) => {
      // A user that is not root may not open it so.
      if (path === place("to", "file") && flags === fs.constants.O_WRONLY) throw new Error("EACCES");
      opened.push(1);
      return fs.openSync(path, flags, mode);
    };
    const answer = served({ openSync: open }, orderOf("file"));
    using to = FolderHandle.open(place("to"));
    expect(answer).toEqual([lookAt(to, NAME)?.sign]);
    expect(lookAt(to, NAME)).toMatchObject({ mode: 0o444, size: bytes });
  });
});
