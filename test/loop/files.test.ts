import { appendFile, mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../../src/loop/clock.ts";
import { FileTrigger, type WatchedPaths } from "../../src/loop/triggers/files.ts";

// Each test waits for what must come about as long as a loaded machine may take; only a hang reaches these.
const PATIENCE_MS = 45_000;
vi.setConfig({ testTimeout: 300_000 });

let folder = "";
let trigger: FileTrigger | undefined;
let changes = 0;
let troubles: Error[] = [];

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-files-")));
  changes = 0;
  troubles = [];
});

afterEach(async () => {
  await trigger?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function watch(paths: WatchedPaths): Promise<void> {
  trigger = new FileTrigger({
    clock: systemClock,
    quiet: 40,
    most: 400,
    matches: (path) => path.endsWith(".toml"),
    changed: () => (changes += 1),
    trouble: (error) => troubles.push(error),
  });
  await trigger.watch(paths);
}

async function changed(since: number): Promise<void> {
  await vi.waitFor(() => expect(changes).toBeGreaterThan(since), { timeout: PATIENCE_MS, interval: 10 });
  expect(troubles).toEqual([]);
}

async function quiet(): Promise<void> {
  const before = changes;
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(changes).toBe(before);
}

/** Waits until what an act set off is over, so that the next act is seen on its own. */
async function act(run: () => Promise<unknown>): Promise<void> {
  const before = changes;
  await run();
  await changed(before);
  await new Promise((resolve) => setTimeout(resolve, 300));
}

test("edits, rename-saves, and a file deleted and made again are seen", async () => {
  const file = join(folder, "sandkeep.toml");
  await writeFile(file, "version = 1\n");
  await watch({ files: [file], folders: [{ path: folder, depth: 0 }] });
  await quiet();
  await act(() => appendFile(file, "# edited\n"));
  await act(async () => {
    await writeFile(join(folder, ".sandkeep.swp"), "version = 1 # saved\n");
    await rename(join(folder, ".sandkeep.swp"), file);
  });
  await act(() => appendFile(file, "# after the rename\n"));
  await act(() => rm(file));
  await act(() => writeFile(file, "version = 1\n"));
  await act(() => appendFile(file, "# and again\n"));
});

test("files and folders that matter to nobody trigger nothing", async () => {
  const file = join(folder, "sandkeep.toml");
  await writeFile(file, "version = 1\n");
  await watch({ files: [file], folders: [{ path: folder, depth: 0 }] });
  await writeFile(join(folder, "README.md"), "text");
  await mkdir(join(folder, "dist"));
  await writeFile(join(folder, "dist", "other.toml"), "x = 1");
  await quiet();
});

test("a new file that an include would match is seen, in a new folder too", async () => {
  await mkdir(join(folder, "agents"));
  await watch({ files: [], folders: [{ path: join(folder, "agents"), depth: 2 }] });
  await act(() => writeFile(join(folder, "agents", "a.toml"), "x = 1"));
  await act(() => mkdir(join(folder, "agents", "team", "deep"), { recursive: true }));
  await act(() => writeFile(join(folder, "agents", "team", "deep", "b.toml"), "x = 1"));
  await act(() => rm(join(folder, "agents", "team"), { recursive: true }));
});

test("a folder that is not there yet, and one that is swapped, are followed", async () => {
  const agents = join(folder, "agents");
  await watch({ files: [], folders: [{ path: agents, depth: 0 }] });
  await act(async () => {
    await mkdir(agents);
    await writeFile(join(agents, "a.toml"), "x = 1");
  });
  await act(async () => {
    await mkdir(join(folder, "next"));
    await writeFile(join(folder, "next", "a.toml"), "x = 2");
    await rename(agents, join(folder, "before"));
    await rename(join(folder, "next"), agents);
  });
  await act(() => appendFile(join(agents, "a.toml"), "\ny = 3"));
  await act(() => rm(agents, { recursive: true }));
  await act(async () => {
    await mkdir(agents);
    await writeFile(join(agents, "a.toml"), "x = 1");
  });
  await act(() => appendFile(join(agents, "a.toml"), "\ny = 4"));
});

test("links are followed, and swapping one is seen, as config maps do it", async () => {
  const write = async (version: string): Promise<void> => {
    await mkdir(join(folder, version));
    await writeFile(join(folder, version, "sandkeep.toml"), `# ${version}\n`);
  };
  const point = async (version: string): Promise<void> => {
    await symlink(version, join(folder, "..data.tmp"));
    await rename(join(folder, "..data.tmp"), join(folder, "..data"));
  };
  await write("..v1");
  await point("..v1");
  const file = join(folder, "sandkeep.toml");
  await symlink(join("..data", "sandkeep.toml"), file);
  await watch({ files: [file], folders: [{ path: folder, depth: 0 }] });
  await act(() => appendFile(join(folder, "..v1", "sandkeep.toml"), "# edited in place\n"));
  await act(async () => {
    await write("..v2");
    await point("..v2");
  });
  await act(() => appendFile(join(folder, "..v2", "sandkeep.toml"), "# edited in place\n"));
});

test("a link to the current release, in the path itself, may be swapped", async () => {
  for (const release of ["one", "two"]) {
    await mkdir(join(folder, "releases", release), { recursive: true });
    await writeFile(join(folder, "releases", release, "sandkeep.toml"), "version = 1\n");
  }
  await symlink(join("releases", "one"), join(folder, "current"));
  await watch({ files: [join(folder, "current", "sandkeep.toml")], folders: [] });
  await act(async () => {
    await symlink(join("releases", "two"), join(folder, "next"));
    await rename(join(folder, "next"), join(folder, "current"));
  });
  await act(() => appendFile(join(folder, "releases", "two", "sandkeep.toml"), "# edited\n"));
});

test("constant writes are told of within the maximum", async () => {
  const file = join(folder, "sandkeep.toml");
  await writeFile(file, "");
  await watch({ files: [file], folders: [] });
  for (let round = 0; round < 80; round++) {
    await appendFile(file, `# ${round}\n`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  expect(changes).toBeGreaterThanOrEqual(1);
});

test("the same paths are no new set", async () => {
  const paths = { files: [join(folder, "a.toml")], folders: [{ path: folder, depth: 0 }] };
  await watch(paths);
  expect(await trigger?.watch(paths)).toBe(false);
  expect(await trigger?.watch({ ...paths, files: [] })).toBe(true);
});
