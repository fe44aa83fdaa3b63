import { execFileSync } from "node:child_process";
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
import { CopyThreads } from "../../src/util/copy-thread.ts";
import { lookAt } from "../../src/util/file-tree.ts";
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
