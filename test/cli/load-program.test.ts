import {
  appendFile,
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openProgram } from "../../src/cli/load-program.ts";

type Started = Parameters<typeof openProgram>[1];
const PLAIN: Started = { execArgv: [], env: {}, argv: ["node", "sandkeep", "plan"] };

/** A file is worth a cache. */
const LONG = `/* ${"long ".repeat(1000)} */`;

let folder = "";
let entry = "";
let cache = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-code-"));
  entry = join(folder, "program.cjs");
  cache = cacheOf("plan");
  await answers(1);
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function cacheOf(verb: string, file = entry): string {
  return `${file}.${process.version}-${process.arch}.${verb}.cache`;
}

/** Programs of equal length, which V8 cannot tell apart by itself. */
async function answers(code: number): Promise<void> {
  await writeFile(
    entry,
    `(function (exports) {
       ${LONG}
       const code = () => ${code};
       exports.start = () => Promise.resolve({ code: code(), done: "plan" });
     })`,
  );
}

async function startOnce(started: Partial<Started> = {}, verb = "plan"): Promise<number> {
  const program = openProgram(entry, { ...PLAIN, ...started });
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
        entry,
        // V8 would know the same text from the last test.
        `(function (exports) {
           "${folder}";
           ${LONG}
           const each = () => undefined;
           const long = () => { ${calls} return 1; };
           exports.start = () => Promise.resolve({ code: globalThis.doesMore ? long() : 1 });
         })`,
      );
    });
    afterEach(() => {
      vi.unstubAllGlobals();
      vi.restoreAllMocks();
    });
    const size = async (verb: string): Promise<number> => (await stat(cacheOf(verb))).size;

    /** Looked at last ten minutes ago, for all that its time says. */
    async function aged(): Promise<void> {
      const then = Date.now() / 1000 - 600;
      await utimes(cache, then, then);
    }

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

    it("is weighed after a minute, and again when it is twice as old as then, or after a day", async () => {
      await startWith("plan", "plan");
      const { birthtimeMs, mtimeMs: made } = await stat(cache);
      // Where the file system does not know when it made a file, it is weighed each minute.
      if (birthtimeMs === 0) return;
      const clock = vi.spyOn(Date, "now");
      const weighedAfter = async (minutes: number): Promise<number> => {
        clock.mockReturnValue(made + minutes * 60_000);
        await startWith("plan", "plan");
        return Math.round(((await stat(cache)).mtimeMs - made) / 60_000);
      };
      const looks: number[] = [];
      // 14,400 is ten days, and the last a clock that was set back.
      for (const minutes of [0.5, 2, 3, 5, 9, 11, 14_400, 15_700, 16_000, 100])
        looks.push(await weighedAfter(minutes));
      expect(looks).toEqual([0, 2, 2, 5, 5, 11, 14_400, 14_400, 16_000, 100]);
    });

    it("grows with what a later start did more, but not in its first minute", async () => {
      await startWith("plan", "plan");
      const [small, first] = [await size("plan"), await inode()];
      await doingMore("plan");
      expect(await inode()).toBe(first);
      await aged();
      await doingMore("plan");
      expect(await size("plan")).toBeGreaterThan(small + MUCH);
      const grown = await inode();
      await aged();
      await startWith("plan", "plan");
      expect(await inode()).toBe(grown);
      expect((await stat(cache)).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
      expect(await names()).toEqual(["program.cjs", basename(cache)]);
    });

    it("does not become less by a start that lasted longer than one that did more", async () => {
      await startWith("plan", "plan");
      await aged();
      const lasting = openProgram(entry, PLAIN);
      await lasting.load().start();
      await doingMore("plan");
      const grown = await inode();
      vi.stubGlobal("doesMore", true);
      await lasting.load().start();
      lasting.keep("plan");
      expect(await inode()).toBe(grown);
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

  it("is not kept of a file that is compiled sooner than a cache is read", async () => {
    await writeFile(entry, "(function (exports) { exports.start = async () => ({ code: 3 }); })");
    expect(await startOnce()).toBe(3);
    expect(await names()).toEqual(["program.cjs"]);
  });
});

describe("a program of several files", () => {
  const file = (name: string): string => join(folder, "program", `${name}.cjs`);
  const loaded: string[] = [];
  beforeEach(async () => {
    loaded.length = 0;
    vi.stubGlobal("loaded", loaded);
    await mkdir(join(folder, "program"));
    await writeFile(
      entry,
      `(function (exports, require) {
         ${LONG}
         loaded.push("entry");
         exports.start = async () => ({ code: globalThis.wanted ? require("./program/a.cjs").code() : 0 });
       })`,
    );
    await writeFile(
      file("a"),
      `(function (exports, require, module, filename) {
         ${LONG}
         loaded.push("a");
         exports.own = 4;
         const b = require("./b.cjs");
         exports.code = () => b.sum() + require("node:path").basename(filename).length;
       })`,
    );
    await writeFile(
      file("b"),
      `(function (exports, require) {
         loaded.push("b");
         const a = require("./a.cjs");
         exports.sum = () => a.own + 1;
       })`,
    );
  });
  afterEach(() => void vi.unstubAllGlobals());
  const want = (): unknown => vi.stubGlobal("wanted", true);

  it("loads each when it is required, once, also those that require each other", async () => {
    const program = openProgram(entry, PLAIN);
    const { start } = program.load();
    expect((await start()).code).toBe(0);
    expect(loaded).toEqual(["entry"]);
    want();
    expect((await start()).code).toBe(10);
    expect((await start()).code).toBe(10);
    expect(loaded).toEqual(["entry", "a", "b"]);
  });

  it("keeps what was compiled of each by itself, also of one that only a later start required", async () => {
    expect(await startOnce()).toBe(0);
    const first = await inode();
    want();
    expect(await startOnce()).toBe(10);
    const a = (await stat(cacheOf("plan", file("a")))).ino;
    expect(await startOnce()).toBe(10);
    expect([await inode(), (await stat(cacheOf("plan", file("a")))).ino]).toEqual([first, a]);
    expect((await readdir(join(folder, "program"))).toSorted()).toEqual([
      "a.cjs",
      basename(cacheOf("plan", file("a"))),
      "b.cjs",
    ]);
  });

  it("goes on as the one it was started as when another is installed in its place", async () => {
    const program = openProgram(entry, PLAIN);
    const { start } = program.load();
    program.readAll();
    await rm(join(folder, "program"), { recursive: true });
    want();
    expect((await start()).code).toBe(10);
  });

  it("says which file is gone, where it was not read in time", async () => {
    const program = openProgram(entry, PLAIN);
    const { start } = program.load();
    await rm(join(folder, "program"), { recursive: true });
    program.readAll();
    want();
    await expect(start()).rejects.toThrow(`cannot read ${file("a")}: sandkeep was removed or replaced`);
  });

  it("says again why one cannot be loaded, as long as it cannot", async () => {
    const program = openProgram(entry, PLAIN);
    const { start } = program.load();
    want();
    await rm(file("b"));
    for (const _ of [1, 2]) await expect(start()).rejects.toThrow(`cannot read ${file("b")}`);
    await writeFile(file("b"), "(function (exports) { exports.sum = () => 1; })");
    expect((await start()).code).toBe(6);
  });

  it("keeps each once, however often it is asked to", async () => {
    const program = openProgram(entry, PLAIN);
    await program.load().start();
    program.keep("plan");
    const first = await inode();
    program.keep("plan");
    expect(await inode()).toBe(first);
  });

  it("takes no cache of another owner", async () => {
    if (process.getuid?.() !== 0) return;
    await startOnce();
    const kept = await inode();
    await chown(cacheOf("plan"), 65_534, 65_534);
    await startOnce();
    expect(await inode()).not.toBe(kept);
  });
});

it("a file that exports no program is told by its name", async () => {
  await writeFile(entry, "(function () {})");
  await expect(openProgram(entry, PLAIN).load().start()).rejects.toThrow(`${entry} exports no program`);
});
