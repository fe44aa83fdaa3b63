import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { compileProgram } from "../../src/cli/code-cache.ts";

const PLAIN = { execArgv: [], env: {} };

let folder = "";
let bundle = "";
let cache = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-code-"));
  bundle = join(folder, "program.cjs");
  cache = `${bundle}.${process.version}-${process.arch}.cache`;
  await answers(1);
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Programs of equal length, which V8 cannot tell apart by itself. */
async function answers(code: number): Promise<void> {
  await writeFile(
    bundle,
    `(function (exports) {
       const code = () => ${code};
       exports.start = () => Promise.resolve({ code: code(), verb: "plan" });
     })`,
  );
}

async function startOnce(
  started: Parameters<typeof compileProgram>[1] = PLAIN,
  verb = "plan",
): Promise<number> {
  const program = compileProgram(bundle, started);
  const { code } = await program.load().start();
  program.keep(verb);
  return code;
}

async function inode(): Promise<number> {
  return (await stat(cache)).ino;
}

describe("what was compiled of the program", () => {
  it("is kept beside it, and used by the next start", async () => {
    expect(await startOnce()).toBe(1);
    const kept = await inode();
    expect(await startOnce()).toBe(1);
    expect(await inode()).toBe(kept);
    expect((await readdir(folder)).toSorted()).toEqual(["program.cjs", basename(cache)]);
  });

  it("grows with each verb that is carried out, once", async () => {
    await startOnce();
    const first = await inode();
    await startOnce(PLAIN, "run");
    const second = await inode();
    expect(second).not.toBe(first);
    expect(await startOnce(PLAIN, "plan")).toBe(1);
    expect(await startOnce(PLAIN, "run")).toBe(1);
    expect(await inode()).toBe(second);
  });

  it("is not used for another program, not even for one of the same length", async () => {
    await startOnce();
    const kept = await inode();
    await answers(2);
    expect(await startOnce()).toBe(2);
    expect(await inode()).not.toBe(kept);
    expect(await startOnce()).toBe(2);
  });

  it.each([
    ["cut short", () => truncate(cache, 100)],
    ["empty", () => truncate(cache, 0)],
    ["longer than it was", () => appendFile(cache, "x")],
    [
      "changed in one bit",
      async () => {
        const bytes = await readFile(cache);
        bytes.writeUInt8((bytes.at(-9) ?? 0) ^ 1, bytes.length - 9);
        await writeFile(cache, bytes);
      },
    ],
    ["writable by others", () => chmod(cache, 0o666)],
  ])("is made anew when it is %s", async (_, damage) => {
    await startOnce();
    const whole = await readFile(cache);
    await damage();
    const damaged = await inode();
    expect(await startOnce()).toBe(1);
    expect(await inode()).not.toBe(damaged);
    expect((await stat(cache)).mode & 0o022).toBe(0);
    expect((await readFile(cache)).length).toBeGreaterThan(whole.length / 2);
  });

  it("is no error where it cannot be read or kept, and leaves nothing half-written", async () => {
    await mkdir(cache);
    expect(await startOnce()).toBe(1);
    expect((await readdir(folder)).toSorted()).toEqual(["program.cjs", basename(cache)]);
  });

  it.each([
    ["flags", { execArgv: ["--expose-gc"], env: {} }],
    ["NODE_OPTIONS", { execArgv: [], env: { NODE_OPTIONS: "--expose-gc" } }],
  ])("is not kept by a start with %s", async (_, started) => {
    expect(await startOnce(started)).toBe(1);
    expect(await readdir(folder)).toEqual(["program.cjs"]);
  });
});
