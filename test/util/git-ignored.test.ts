import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { bytePath } from "../../src/util/byte-path.ts";
import { FolderHandle } from "../../src/util/folder-handle.ts";
import { ignoredByGit } from "../../src/util/git-ignored.ts";
import { initRepository, makeHostile } from "../support/hostile-repository.ts";

let base = "";
let source = "";
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "sandkeep-ignored-")));
  source = join(base, "workspace");
  mkdirSync(source);
  initRepository(source);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

async function ignored(...paths: readonly string[]): Promise<string[]> {
  using real = FolderHandle.open(source);
  const asked = paths.map((path) => ({ path: bytePath(path), isFolder: false }));
  return [...(await ignoredByGit(asked, { source, real, env: process.env, hint: "" }))];
}

it("a repository whose settings name a command for what it lacks has it not run", async () => {
  const mark = join(base, "mark");
  makeHostile(source, mark);
  // Whether git can answer without what it lacks is git's own matter.
  await ignored("a").catch(() => undefined);
  expect(existsSync(mark)).toBe(false);
});

it("what a link of the workspace stands in the way of is not asked about, and all else is", async () => {
  writeFileSync(join(source, ".gitignore"), "*.log\n");
  mkdirSync(join(base, "elsewhere"));
  symlinkSync("../elsewhere", join(source, "link"));
  expect(await ignored("a.log", "link/b.log", "link/deep/c.log", "new/d.log", "e")).toEqual([
    "a.log",
    "new/d.log",
  ]);
});
