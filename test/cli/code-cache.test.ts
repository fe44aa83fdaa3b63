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
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { compileProgram } from "../../src/cli/code-cache.ts";

type Started = Parameters<typeof compileProgram>[1];
const PLAIN: Started = { execArgv: [], env: {}, argv: ["node", "sandkeep", "plan"] };

let folder = "";
let bundle = "";
let cache = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-code-"));
  bundle = join(folder, "program.cjs");
  cache = cacheOf("plan");
  await answers(1);
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function cacheOf(verb: string): string {
  return `${bundle}.${process.version}-${process.arch}.${verb}.cache`;
}

/** Programs of equal length, which V8 cannot tell apart by itself. */
async function answers(code: number): Promise<void> {
  await writeFile(
    bundle,
    `(function (exports) {
       const code = () => ${code};
       exports.start = () => Promise.resolve({ code: code(), done: "plan" });
     })`,
  );
}

async function startOnce(started: Partial<Started> = {}, verb = "plan"): Promise<number> {
  const program = compileProgram(bundle, { ...PLAIN, ...started });
  const { code } = await program.load().start();
  program.keep(verb);
  return code;
}

const startWith = (verb: string, ...argv: readonly string[]): Promise<number> =>
  startOnce({ argv: ["node", "sandkeep", ...argv] }, verb);

async function inode(verb = "plan"): Promise<number> {
  return (await stat(cacheOf(verb))).ino;
}

const names = async (): Promise<readonly string[]> => (await readdir(folder)).toSorted();

describe("what was compiled of the program", () => {
  it("is kept beside it, and used by the next start", async () => {
    expect(await startOnce()).toBe(1);
    const kept = await inode();
    expect(await startOnce()).toBe(1);
    expect(await inode()).toBe(kept);
    expect(await names()).toEqual(["program.cjs", basename(cache)]);
  });

  it("is kept for each verb by itself, wherever the verb stands", async () => {
    await startOnce();
    const plan = await inode();
    expect(await startWith("run", "--file", "x.toml", "run", "--", "plan")).toBe(1);
    const run = await inode("run");
    expect(await startWith("run", "run")).toBe(1);
    expect(await startWith("run", "--fleet", "plan", "run")).toBe(1);
    expect(await startWith("list", "--fleet", "plan", "list")).toBe(1);
    expect([await inode(), await inode("run")]).toEqual([plan, run]);
    expect(await names()).toEqual(["program.cjs", basename(cache), basename(cacheOf("run"))]);
  });

  describe("of a program that does more for some verbs", () => {
    const calls = Array.from({ length: 30_000 }, (_, index) => `each(${index});`).join("");
    const MUCH = 128 * 1024;
    beforeEach(async () => {
      await writeFile(
        bundle,
        // V8 would know the same text from the last test.
        `(function (exports) {
           "${folder}";
           const each = () => undefined;
           const long = () => { ${calls} return 1; };
           exports.start = () => Promise.resolve({ code: globalThis.doesMore ? long() : 1 });
         })`,
      );
    });
    afterEach(() => void vi.unstubAllGlobals());
    const size = async (verb: string): Promise<number> => (await stat(cacheOf(verb))).size;

    async function doingMore(verb: string): Promise<void> {
      vi.stubGlobal("doesMore", true);
      await startWith(verb, verb);
      vi.unstubAllGlobals();
    }

    it("serves other verbs as well where the build left it, until these have their own", async () => {
      await startWith("run", "run");
      await doingMore("validate");
      await startWith("plan", "plan");
      expect(await size("plan")).toBeGreaterThan((await size("run")) + MUCH);
    });

    it("is each verb's own before it is the build's", async () => {
      await startWith("plan", "plan");
      const plan = await inode();
      await doingMore("validate");
      await startWith("plan", "plan");
      expect(await inode()).toBe(plan);
      // Taken for the verb, it is no place to start another from.
      await startWith("run", "plan", "run");
      expect(await names()).not.toContain(basename(cacheOf("run")));
    });
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
    expect(await names()).toEqual(["program.cjs", basename(cache)]);
  });

  it.each([
    ["flags", { execArgv: ["--expose-gc"] }],
    ["NODE_OPTIONS", { env: { NODE_OPTIONS: "--expose-gc" } }],
  ])("is not kept by a start with %s", async (_, started) => {
    expect(await startOnce(started)).toBe(1);
    expect(await names()).toEqual(["program.cjs"]);
  });
});
