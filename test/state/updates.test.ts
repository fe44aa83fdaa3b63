import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { keepUpdates, readUpdates, recordUpdate } from "../../src/state/updates.ts";
import { temporaryState } from "./temporary.ts";

const LIMITS = { "docker.memory": 7, "docker.cpus": null };

it("what was set in place is known by the object's id until labels tell it all again", async () => {
  const { state, problems } = await temporaryState();
  expect(await readUpdates(state)).toEqual({});
  await recordUpdate(state, "c1", LIMITS);
  await recordUpdate(state, "directory:x/y", { "docker.pids": "unlimited" });
  expect(await readUpdates(state)).toEqual({
    c1: LIMITS,
    "directory:x/y": { "docker.pids": "unlimited" },
  });
  await recordUpdate(state, "c1", { "docker.memory": 8 });
  expect(await readUpdates(state)).toMatchObject({ c1: { "docker.memory": 8 } });
  await recordUpdate(state, "c1", {});
  await recordUpdate(state, "never", {});
  expect(Object.keys(await readUpdates(state))).toEqual(["directory:x/y"]);
  expect(problems).toEqual([]);
});

it("the same again is not written again", async () => {
  const { state } = await temporaryState();
  await recordUpdate(state, "c1", LIMITS);
  const path = join(state.dir, "updates", "c1.json");
  const before = await stat(path);
  await recordUpdate(state, "c1", { ...LIMITS });
  expect((await stat(path)).ino).toBe(before.ino);
});

it("those of runtimes that are no more are forgotten, whole or torn", async () => {
  const { state } = await temporaryState();
  for (const id of ["c1", "c2"]) await recordUpdate(state, id, LIMITS);
  await writeFile(join(state.dir, "updates", "c3.json"), "{");
  await keepUpdates(state, new Set(["c2"]));
  expect(await readdir(join(state.dir, "updates"))).toEqual(["c2.json"]);
});

it("a torn file is told and ignored by readers, and set aside by the next write", async () => {
  const { state, problems } = await temporaryState();
  const folder = join(state.dir, "updates");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "c1.json"), '{"v":1,"val');
  await writeFile(join(folder, "README"), "hello");
  expect(await readUpdates(state)).toEqual({});
  expect(problems.map(({ code, file }) => [code, file])).toEqual([
    ["state-file-damaged", join(folder, "c1.json")],
  ]);
  await recordUpdate(state, "c1", LIMITS);
  expect(await readUpdates(state)).toEqual({ c1: LIMITS });
  expect(await readFile(join(folder, "c1.json.quarantined-1"), "utf8")).toBe('{"v":1,"val');
});
