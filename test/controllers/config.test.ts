import { appendFile, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConfigKeeper } from "../../controllers/config.ts";
import type { WatchedPaths } from "../../src/loop/triggers/files.ts";
import type { EventBody } from "../../src/model/event.ts";

const GOOD =
  'version = 1\nfleet = "f"\ninclude = ["agents/**/*.toml", "extra.toml"]\n[sandbox]\nbackend = "local"\n[agents.a]\n';

let folder = "";
let events: EventBody[] = [];
let watched: WatchedPaths[] = [];

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-keeper-")));
  await mkdir(join(folder, "agents"));
  await writeFile(join(folder, "extra.toml"), "");
  await write(GOOD);
  events = [];
  watched = [];
});

afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

function write(text: string): Promise<void> {
  return writeFile(join(folder, "sandkeep.toml"), text);
}

function open(): ConfigKeeper {
  return new ConfigKeeper({
    request: { file: join(folder, "sandkeep.toml"), cwd: folder, backends: ["local"] },
    sink: { notify: (event) => events.push(event) },
    watch: (paths) => {
      const moved = JSON.stringify(paths) !== JSON.stringify(watched.at(-1));
      if (moved) watched.push(paths);
      return Promise.resolve(moved);
    },
  });
}

async function adopt(keeper: ConfigKeeper): Promise<void> {
  const loaded = await keeper.refresh();
  expect(loaded).toBeDefined();
  if (loaded !== undefined) keeper.accept(loaded);
}

/** `loaded` and `invalid` as they came, `diagnostic` for each problem told. */
function told(): string[] {
  return events.splice(0).map((event) => (event.type === "watch.config" ? event.status : event.type));
}

test("a config is told of once, and again only when its files changed", async () => {
  const keeper = open();
  await adopt(keeper);
  await adopt(keeper);
  expect(told()).toEqual(["loaded"]);
  await appendFile(join(folder, "sandkeep.toml"), "# edited\n");
  await adopt(keeper);
  expect(told()).toEqual(["loaded"]);
});

test("a broken edit keeps the last good config, says all that is wrong once, and reminds after that", async () => {
  const keeper = open();
  await adopt(keeper);
  const { good } = keeper;
  told();
  await write("version = 1\nfleet = 7\nsandboxes = {}\n");
  expect(await keeper.refresh()).toBe(good);
  const first = told();
  expect(first.filter((each) => each === "diagnostic").length).toBeGreaterThan(1);
  expect(first.at(-1)).toBe("invalid");
  expect(await keeper.refresh()).toBe(good);
  expect(told()).toEqual(["invalid"]);
  await write(GOOD);
  expect(await keeper.refresh()).toBe(good);
  expect(told()).toEqual(["loaded"]);
});

test("a deleted config keeps the last good one too", async () => {
  const keeper = open();
  await adopt(keeper);
  const { good } = keeper;
  await rm(join(folder, "sandkeep.toml"));
  expect(await keeper.refresh()).toBe(good);
  expect(told()).toContain("invalid");
});

test("without any good config there is none", async () => {
  await write("nonsense");
  const keeper = open();
  expect(await keeper.refresh()).toBeUndefined();
  expect(told().at(-1)).toBe("invalid");
});

test("one that contradicts itself falls back, and is tried again at the next look", async () => {
  const keeper = open();
  await adopt(keeper);
  const { good } = keeper;
  told();
  await appendFile(join(folder, "sandkeep.toml"), "# worse\n");
  const worse = await keeper.refresh();
  expect(worse).not.toBe(good);
  const problem = { severity: "error", code: "conflict", message: "no", path: "" } as const;
  expect(worse && keeper.reject(worse, [problem])).toBe(good);
  expect(keeper.good).toBe(good);
  expect(told()).toEqual(["diagnostic", "invalid"]);
  const again = await keeper.refresh();
  expect(again).not.toBe(good);
  expect(again && keeper.reject(again, [problem])).toBe(good);
  expect(told()).toEqual(["invalid"]);
});

test("its files, its includes' folders, and what diagnostics blame are watched", async () => {
  const keeper = open();
  await adopt(keeper);
  expect(watched.at(-1)?.folders).toEqual([{ path: join(folder, "agents"), depth: 8 }]);
  expect(watched.at(-1)?.files).toEqual(
    expect.arrayContaining([join(folder, "sandkeep.toml"), join(folder, "extra.toml")]),
  );
  await writeFile(join(folder, "other.toml"), "broken");
  await write(GOOD.replace("extra.toml", "other.toml"));
  await keeper.refresh();
  expect(watched.at(-1)?.files).toContain(join(folder, "other.toml"));
});
