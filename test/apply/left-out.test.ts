import { execFileSync } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { leftOut } from "../../src/apply/left-out.ts";
import { bytePath } from "../../src/util/byte-path.ts";

let source = "";
beforeEach(async () => {
  source = await mkdtemp(join(tmpdir(), "sandkeep-ignore-"));
});
afterEach(async () => rm(source, { recursive: true, force: true }));

async function ignoredAtSeed(folder: string): Promise<(path: string) => Promise<boolean>> {
  const out = await leftOut({ source: folder, stateDir: "/nowhere", ignore: "off", env: process.env });
  return async (path) => (await out(new Map([[bytePath(path), { kind: "file" }]]))).size > 0;
}

async function which(paths: readonly string[], is: (path: string) => Promise<boolean>): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) if (await is(path)) found.push(path);
  return found;
}

it("leaves nothing out without the file, nor with an empty one", async () => {
  expect(await which(["a/b"], await ignoredAtSeed(source))).toEqual([]);
  await writeFile(join(source, ".sandkeepignore"), "\n# only words\n");
  const ignored = await ignoredAtSeed(source);
  expect(await which(["a", "a/b", ".sandkeepignore"], ignored)).toEqual([]);
});

it("leaves names out anywhere, and paths only where they are", async () => {
  await writeFile(join(source, ".sandkeepignore"), "node_modules/\r\n*.pem\n/build\ndocs/*.md\n");
  const ignored = await ignoredAtSeed(source);
  const out = ["node_modules", "a/node_modules/b/c", "k.pem", "a/.b/k.pem", "build", "build/x", "docs/a.md"];
  const kept = ["node_modules2", "a/build", "a/docs/a.md", "docs/a.txt", "docs", "pem"];
  expect(await which(out, ignored)).toEqual(out);
  expect(await which(kept, ignored)).toEqual([]);
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

it.each([
  ["a link to a file of this machine", async (file: string) => symlink("/etc/passwd", file)],
  ["a pipe that nobody writes to", async (file: string) => void execFileSync("mkfifo", [file])],
  ["more than anybody writes", async (file: string) => writeFile(file, "#".repeat(2 * 1024 * 1024))],
])("takes no rules from %s, and tells none of its lines", async (_, make) => {
  const file = join(source, ".sandkeepignore");
  await make(file);
  await expect(ignoredAtSeed(source)).rejects.toMatchObject({
    code: "SEED_IGNORE",
    message: `${file} cannot be read, so nobody can tell what to leave out`,
  });
});
