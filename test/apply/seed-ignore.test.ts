import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ignoredAtSeed } from "../../src/apply/seed-ignore.ts";

let source = "";
beforeEach(async () => {
  source = await mkdtemp(join(tmpdir(), "sandkeep-ignore-"));
});
afterEach(async () => rm(source, { recursive: true, force: true }));

it("leaves nothing out without the file, nor with an empty one", async () => {
  expect((await ignoredAtSeed(source))("a/b")).toBe(false);
  await writeFile(join(source, ".sandkeepignore"), "\n# only words\n");
  const ignored = await ignoredAtSeed(source);
  expect([".", "a", "a/b", ".sandkeepignore"].map(ignored)).toEqual([false, false, false, false]);
});

it("leaves names out anywhere, and paths only where they are", async () => {
  await writeFile(join(source, ".sandkeepignore"), "node_modules/\r\n*.pem\n/build\ndocs/*.md\n");
  const ignored = await ignoredAtSeed(source);
  const out = ["node_modules", "a/node_modules/b/c", "k.pem", "a/.b/k.pem", "build", "build/x", "docs/a.md"];
  const kept = ["node_modules2", "a/build", "a/docs/a.md", "docs/a.txt", "docs", "pem"];
  expect(out.filter((path) => !ignored(path))).toEqual([]);
  expect(kept.filter(ignored)).toEqual([]);
});

it.each(["!keep.pem", "../above", "a/../b", "/", "\\!x"])(
  "refuses %s, and says where it stands",
  async (line) => {
    await writeFile(join(source, ".sandkeepignore"), `fine\n${line}\n`);
    await expect(ignoredAtSeed(source)).rejects.toMatchObject({
      code: "SEED_IGNORE",
      message: expect.stringContaining("line 2 of "),
    });
  },
);
