import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Driver, DriverModule } from "../../src/drivers/driver.ts";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import type { MemoryWorld } from "../../src/drivers/memory/world.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import type { SyncChoice, Synced, SyncWay } from "../../src/stage/sync/sync.ts";
import { syncWorkspace } from "../../src/stage/sync/sync.ts";
import { parentOf } from "../../src/util/byte-path.ts";
import { readTree } from "../../src/util/file-tree.ts";
import { FolderHandle } from "../../src/util/folder-handle.ts";
import { packEntries } from "../../src/util/pack-tree.ts";
import { readTar } from "../../src/util/read-tar.ts";
import { plainPath } from "../../src/util/script-workspace.ts";
import { TAR_END } from "../../src/util/tar-header.ts";
import { bareHarness, Fleet, realDeps } from "../contract/harness.ts";
import type { Edit, Files, Made } from "../stage/scene.ts";
import { edit, edits, filesOf, makeAll, NO_RULES, scene, trees } from "../stage/scene.ts";

const RUNS = { numRuns: Number(process.env["SANDKEEP_RUNS"] ?? 1) * 30 };

// The memory driver's names are text.
const textual = (name: string): string => name.replaceAll(/[\u0080-\u00ff]+/g, "\u00c3\u00a9");
const textualMade = (made: Made): Made =>
  made.kind === "link" ? { ...made, target: textual(made.target) } : made;
const someTrees = trees.map((all) => all.map(([path, made]) => [textual(path), textualMade(made)] as const));
const someEdits = edits.map((all) =>
  all.map((each): Edit => {
    if (each.what === "move") return { ...each, to: textual(each.to) };
    const made = textualMade(each.made);
    return each.what === "put" ? { ...each, path: textual(each.path), made } : { ...each, made };
  }),
);

/** A workspace and its copy, which others write as a folder of its own. */
class Both implements AsyncDisposable {
  readonly #scene = scene();
  readonly here = this.#scene.workspace;
  readonly #mirror = join(this.#scene.base, "mirror");
  readonly world: MemoryWorld = createWorld({ images: { "base:1": "one" } });
  #open: () => Promise<Driver> = () => Promise.reject(new Error("not open"));
  #driver: Driver | undefined;
  #objectId = "";
  #fleet: Fleet | undefined;

  static async open(tree: readonly (readonly [string, Made])[]): Promise<Both> {
    const both = new Both();
    mkdirSync(both.#mirror);
    makeAll(both.here, tree);
    makeAll(both.#mirror, tree);
    const host = { name: "far", labels: {} };
    const module: DriverModule = { ...memoryDriver(both.world), provider: () => "volume" };
    const deps = realDeps(join(both.#scene.base, "driver"), {});
    both.#open = async () => await module.open(host, deps);
    both.#driver = await both.#open();
    const harness = bareHarness({
      module,
      host,
      deps,
      plain: { image: "base:1" },
      source: async () => ({ path: both.here, keeps: async () => "" }),
    });
    both.#fleet = new Fleet(harness, both.#driver);
    await both.#bring();
    expect((await both.sync("status")).status).toBe("same");
    return both;
  }

  async change(here: readonly Edit[], there: readonly Edit[]): Promise<void> {
    edit(this.here, here);
    edit(this.#mirror, there);
    await this.#bring();
  }

  /** The copy is what the folder of the others is. */
  async #bring(): Promise<void> {
    if (this.#driver === undefined || this.#fleet === undefined) throw new Error("not open");
    if (this.#objectId !== "") await this.#driver.remove(this.#objectId, "delete");
    this.#objectId = (await this.#fleet.run("a", { access: "rw" })).objectId;
    // Its archives have something in them.
    if (filesOf(this.#mirror).size === 0) return;
    using folder = FolderHandle.open(this.#mirror);
    const entries = [...(await readTree(this.#mirror))].map(([path, entry]) => ({ path, entry }));
    const archive = Buffer.concat([await buffer(Readable.from(packEntries(folder, entries, "./"))), TAR_END]);
    await this.#driver.putFiles(this.#objectId, "/workspace", Readable.from([archive]));
  }

  async sync(way: SyncWay, choice?: Partial<SyncChoice>): Promise<Synced> {
    if (this.#driver === undefined) throw new Error("not open");
    return await syncWorkspace(
      {
        owner: { fleet: "team", address: "agent/work" },
        driver: this.#driver,
        objectId: this.#objectId,
        stateDir: this.#scene.stateDir,
        root: this.here,
        leftOut: async () => new Set(),
        rules: NO_RULES,
        judges: false,
        id: "20260101-one",
        now: 0,
        tell: () => undefined,
      },
      way,
      undefined,
      { wanted: () => true, force: false, dry: false, ...choice },
    );
  }

  /** As a new process does, whatever became of the one before. */
  async restart(): Promise<void> {
    this.world.revive();
    this.#driver = await this.#open();
  }

  async there(): Promise<Files> {
    const found = new Map<string, Made>();
    const archive = await this.#driver?.getFiles(this.#objectId, "/workspace");
    if (archive === undefined) throw new Error("not open");
    for await (const { path, kind, mode, target, contents } of readTar(archive, "the copy")) {
      const bytes = (await buffer(Readable.from(contents))).toString("latin1");
      const name = plainPath(path).replace(/^workspace\/?/, "");
      if (name === "") continue;
      if (kind === "file") found.set(name, { kind, mode, bytes });
      else if (kind === "folder") found.set(name, { kind, mode });
      else found.set(name, { kind: "link", target });
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#driver?.[Symbol.asyncDispose]();
    this.#scene[Symbol.dispose]();
  }
}

const plain = (files: Files): string => JSON.stringify([...files].toSorted(([a], [b]) => (a < b ? -1 : 1)));
const same = (a: Made | undefined, b: Made | undefined): boolean =>
  JSON.stringify(one(a)) === JSON.stringify(one(b));
const one = (made: Made | undefined): unknown =>
  made === undefined ? null : Object.entries(made).toSorted(([a], [b]) => (a < b ? -1 : 1));

/** Where only one side did something, what that one did. */
function merged(before: Files, here: Files, there: Files): Files {
  const all = new Map<string, Made>();
  for (const path of new Set([...before.keys(), ...here.keys(), ...there.keys()])) {
    const made = same(before.get(path), here.get(path)) ? there.get(path) : here.get(path);
    if (made !== undefined) all.set(path, made);
  }
  return all;
}

function above(path: string): readonly string[] {
  const parent = parentOf(path);
  return parent === "" ? [] : [parent, ...above(parent)];
}

async function alike(both: Both): Promise<void> {
  expect(plain(await both.there())).toBe(plain(filesOf(both.here)));
  expect((await both.sync("status")).status).toBe("same");
}

describe("whatever the tree and whatever either side does to it", () => {
  it("what is no conflict arrives on both sides byte for byte, and a conflict changes nothing", async () => {
    await fc.assert(
      fc.asyncProperty(someTrees, someEdits, someEdits, async (tree, mine, theirs) => {
        await using both = await Both.open(tree);
        const before = filesOf(both.here);
        await both.change(mine, theirs);
        const [here, there] = [filesOf(both.here), await both.there()];
        const looked = await both.sync("status");
        const pushed = await both.sync("push");
        if (looked.status === "conflict") {
          expect(pushed.status).toBe("conflict");
          expect((await both.sync("pull")).status).toBe("conflict");
          expect(plain(filesOf(both.here))).toBe(plain(here));
          expect(plain(await both.there())).toBe(plain(there));
          return;
        }
        await both.sync("pull");
        expect(plain(filesOf(both.here))).toBe(plain(merged(before, here, there)));
        await alike(both);
      }),
      RUNS,
    );
  });

  it("a side that wins keeps all that it did, what it takes away was told, and both end alike", async () => {
    await fc.assert(
      fc.asyncProperty(
        someTrees,
        someEdits,
        someEdits,
        fc.constantFrom("push" as const, "pull" as const),
        async (tree, mine, theirs, way) => {
          await using both = await Both.open(tree);
          const before = filesOf(both.here);
          await both.change(mine, theirs);
          const [here, there] = [filesOf(both.here), await both.there()];
          const [winner, loser] = way === "push" ? [here, there] : [there, here];
          const dry = await both.sync(way, { force: true, dry: true });
          expect(plain(filesOf(both.here))).toBe(plain(here));
          expect(plain(await both.there())).toBe(plain(there));
          const done = await both.sync(way, { force: true });
          expect(done.conflicts).toEqual([]);
          expect(done.overwritten).toEqual(dry.overwritten);
          await both.sync(way === "push" ? "pull" : "push");
          await alike(both);
          const after = filesOf(both.here);
          // What stays in a folder that the loser took away needs it.
          const told = new Set(done.overwritten.flatMap(({ path }) => [path, ...above(path)]));
          for (const path of new Set([...before.keys(), ...here.keys(), ...there.keys()])) {
            const [was, won, lost, is] = [before, winner, loser, after].map((each) => each.get(path));
            if (!same(was, won)) expect([path, one(is)]).toEqual([path, one(won)]);
            else if (!told.has(path)) expect([path, one(is)]).toEqual([path, one(lost)]);
          }
        },
      ),
      RUNS,
    );
  });

  it("one of whose calls fails, is lost or never ends loses nothing, and the next one finishes", async () => {
    const faults = fc.record({
      op: fc.constantFrom("listWorkspace" as const, "readWorkspace" as const, "writeWorkspace" as const),
      effect: fc.constantFrom(
        { kind: "fail", when: "before", as: "transient" } as const,
        { kind: "fail", when: "after", as: "unreachable" } as const,
        { kind: "lost" } as const,
        { kind: "kill", when: "before", how: "throw" } as const,
        { kind: "kill", when: "after", how: "throw" } as const,
      ),
    });
    await fc.assert(
      fc.asyncProperty(someTrees, someEdits, someEdits, faults, async (tree, mine, theirs, fault) => {
        await using both = await Both.open(tree);
        const before = filesOf(both.here);
        await both.change(mine, theirs);
        const [here, there] = [filesOf(both.here), await both.there()];
        fc.pre((await both.sync("status")).status !== "conflict");
        both.world.inject(fault);
        for (const way of ["push", "pull"] as const) await both.sync(way).catch(() => undefined);
        both.world.clearFaults();
        await both.restart();
        await both.sync("push");
        await both.sync("pull");
        expect(plain(filesOf(both.here))).toBe(plain(merged(before, here, there)));
        await alike(both);
      }),
      RUNS,
    );
  });
});
