import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { localDriver } from "../../../src/drivers/local/index.ts";
import { stagingName } from "../../../src/drivers/local/names.ts";
import { creatorText } from "../../../src/drivers/local/creator.ts";
import { ownIdentity } from "../../../src/util/process-identity.ts";
import { bench, complete, labelsOf, make, NAME, only, run, sh, specOf } from "./fixture.ts";

describe("create", () => {
  test("makes a private folder with home, tmp, workspace link and manifest behind its name", async () => {
    await using on = await bench();
    const id = await make(on);
    expect(await readlink(join(on.fleetDir, NAME))).toBe(`objects/${id}`);
    const dir = join(on.fleetDir, "objects", id);
    expect((await readdir(dir)).toSorted()).toEqual([
      "home",
      "labels.json",
      "manifest.json",
      "tmp",
      "workspace",
    ]);
    for (const folder of [on.stateDir, on.fleetDir, dir, join(dir, "home"), join(dir, "tmp")]) {
      expect((await lstat(folder)).mode & 0o777).toBe(0o700);
    }
    expect((await lstat(join(dir, "manifest.json"))).mode & 0o777).toBe(0o600);
    expect(await readlink(join(dir, "workspace"))).toBe(on.workspace);
    const runtime = await only(on);
    expect(runtime).toMatchObject({ object_id: id, name: NAME, state: "running", execs: 0 });
    expect(runtime.labels).toEqual(labelsOf(on, specOf(on)));
    expect(runtime.fields).toMatchObject({ "workspace.source": on.workspace, "local.isolation": "none" });
  });

  test("of a name that is held is a conflict and leaves nothing behind", async () => {
    await using on = await bench();
    const id = await make(on);
    await expect(make(on)).rejects.toMatchObject({ kind: "conflict" });
    expect(await readdir(join(on.fleetDir, "objects"))).toEqual([id]);
  });

  test("has one winner of many at once", async () => {
    await using on = await bench();
    const settled = await Promise.allSettled(Array.from({ length: 12 }, () => make(on)));
    expect(settled.filter((each) => each.status === "fulfilled")).toHaveLength(1);
    expect((await complete(on)).runtimes).toHaveLength(1);
    expect(await readdir(join(on.fleetDir, "objects"))).toHaveLength(1);
  });

  test("without a workspace source, or with a name that is a path, changes nothing", async () => {
    await using on = await bench();
    await expect(make(on, { workspace: { source: join(on.base, "gone") } })).rejects.toMatchObject({
      code: "LOCAL_WORKSPACE_MISSING",
    });
    await expect(make(on, {}, "../escape")).rejects.toMatchObject({ code: "LOCAL_NAME" });
    await expect(make(on, {}, "objects")).rejects.toMatchObject({ code: "LOCAL_NAME" });
    expect((await complete(on)).runtimes).toEqual([]);
    expect(await readdir(on.base)).not.toContain("escape");
  });

  test("gives an empty folder of its own when the access is none", async () => {
    await using on = await bench();
    const id = await make(on, { workspace: { access: "none", provider: "own" } });
    expect((await run(on, id, sh("ls -A | wc -l; touch mine"))).out.trim()).toBe("0");
    expect(await readdir(on.workspace)).toEqual([]);
  });

  test("never works without the isolation that was asked for", async () => {
    await using on = await bench({ PATH: "/nowhere" });
    await expect(make(on, { local: { isolation: "bubblewrap" } })).rejects.toMatchObject({
      code: "LOCAL_NO_BUBBLEWRAP",
      hint: expect.stringContaining("apt-get install bubblewrap") as string,
    });
    await expect(make(on, { local: { isolation: "none", network: "none" } })).rejects.toMatchObject({
      code: "LOCAL_SPEC",
    });
  });
});

describe("what a killed process left", () => {
  const DEAD = creatorText({ ...ownIdentity(), start_time: "1" });

  test("is cleared by the next create: staging, trash, nameless objects and dangling names", async () => {
    await using on = await bench();
    const objects = join(on.fleetDir, "objects");
    await mkdir(join(objects, stagingName("0".repeat(16), DEAD), "home"), { recursive: true });
    await mkdir(join(objects, ".trash-1", "home"), { recursive: true });
    await mkdir(join(objects, "1".repeat(16), "home"), { recursive: true });
    await symlink(`objects/${"2".repeat(16)}`, join(on.fleetDir, "other.new"));
    await symlink(`objects/${"0".repeat(16)}`, join(on.fleetDir, NAME));
    expect(await complete(on)).toMatchObject({ runtimes: [], foreign: [] });
    const id = await make(on);
    expect(await readdir(objects)).toEqual([id]);
    expect((await readdir(on.fleetDir)).toSorted()).toEqual(["objects", NAME].toSorted());
    expect((await only(on)).object_id).toBe(id);
  });

  test("is told from what a living one is just making", async () => {
    await using on = await bench();
    const objects = join(on.fleetDir, "objects");
    const staging = stagingName("0".repeat(16), creatorText(ownIdentity()));
    await mkdir(join(objects, staging), { recursive: true });
    await symlink(`objects/${"0".repeat(16)}`, join(on.fleetDir, NAME));
    await expect(make(on)).rejects.toMatchObject({ kind: "conflict" });
    expect(await readdir(objects)).toEqual([staging]);
  });

  test("in the middle of a rename is finished by the next one, and shown once", async () => {
    await using on = await bench();
    const id = await make(on, {}, `${NAME}.new`);
    await symlink(`objects/${id}`, join(on.fleetDir, NAME));
    expect((await only(on)).name).toBe(NAME);
    await on.driver.rename(id, NAME);
    expect((await readdir(on.fleetDir)).toSorted()).toEqual(["objects", NAME].toSorted());
  });

  test("in the middle of a rename does not block the next .new", async () => {
    await using on = await bench();
    const id = await make(on, {}, `${NAME}.new`);
    await symlink(`objects/${id}`, join(on.fleetDir, NAME));
    const next = await make(on, {}, `${NAME}.new`);
    const { runtimes } = await complete(on);
    expect(runtimes.map((each) => [each.name, each.object_id])).toEqual([
      [NAME, id],
      [`${NAME}.new`, next],
    ]);
  });
});

describe("rename", () => {
  test("keeps the object, is idempotent, and never overwrites", async () => {
    await using on = await bench();
    const first = await make(on);
    const second = await make(on, {}, `${NAME}.new`);
    await expect(on.driver.rename(second, NAME)).rejects.toMatchObject({ kind: "conflict" });
    await on.driver.rename(first, `${NAME}.old`);
    await on.driver.rename(first, `${NAME}.old`);
    await on.driver.rename(second, NAME);
    const { runtimes } = await complete(on);
    expect(runtimes.map((each) => [each.name, each.object_id])).toEqual([
      [NAME, second],
      [`${NAME}.old`, first],
    ]);
    await expect(on.driver.rename("f".repeat(16), NAME)).rejects.toMatchObject({ kind: "not-found" });
  });
});

describe("remove", () => {
  test("deletes the runtime and nothing of the workspace, however it is linked", async () => {
    await using on = await bench();
    await writeFile(join(on.workspace, "precious"), "kept");
    const id = await make(on);
    const home = join(on.fleetDir, "objects", id, "home");
    await symlink(on.workspace, join(home, "project"));
    await mkdir(join(home, "cache", "deep"), { recursive: true });
    await run(
      on,
      id,
      sh('cd "$HOME"; mkdir ro; touch ro/file; chmod 500 ro; mkdir no; chmod 0 no; mkfifo pipe'),
    );
    const deep =
      'i=0; cd "$HOME"; while [ $i -lt 300 ]; do mkdir d && cd d || exit 1; i=$((i+1)); done; touch bottom';
    expect((await run(on, id, sh(deep))).code).toBe(0);
    await on.driver.remove(id, "delete");
    expect(await readdir(on.fleetDir)).toEqual(["objects"]);
    expect(await readdir(join(on.fleetDir, "objects"))).toEqual([]);
    expect(await readFile(join(on.workspace, "precious"), "utf8")).toBe("kept");
    await on.driver.remove(id, "delete");
    await on.driver.remove("../../etc", "delete");
    expect(await on.driver.inspect(id)).toBeUndefined();
    expect(await on.driver.health(id)).toMatchObject({ state: "missing" });
  });
});

describe("start and stop", () => {
  test("succeed on what exists and tell what does not", async () => {
    await using on = await bench();
    const id = await make(on);
    await on.driver.start(id);
    await on.driver.stop(id);
    expect(await on.driver.health(id)).toMatchObject({ state: "running", health: "none" });
    await expect(on.driver.start("e".repeat(16))).rejects.toMatchObject({ kind: "not-found" });
  });
});

describe("dormancy marks", () => {
  test("are set, seen, kept to their fleet id, and cleared", async () => {
    await using on = await bench();
    const address = "session/agent:work:pr-12";
    await on.driver.mark(on.scope, address, { since: 5, reason: "idle" });
    expect((await complete(on)).dormant).toEqual([{ address, since: 5, reason: "idle" }]);
    expect((await complete(on, { ...on.scope, fleet_id: "other" })).dormant).toEqual([]);
    await on.driver.mark(on.scope, address, undefined);
    await on.driver.mark(on.scope, address, undefined);
    expect((await complete(on)).dormant).toEqual([]);
  });
});

test("the reader has no method that changes anything", async () => {
  await using on = await bench();
  const reader = await localDriver.openReader(undefined, on.deps);
  expect(Object.keys(reader).toSorted()).toEqual([
    "changes",
    "events",
    "health",
    "inspect",
    "observe",
    "probe",
    "resolveImage",
  ]);
  await reader.observe(on.scope);
  await reader.probe();
  expect(await readdir(on.base)).toEqual(["project"]);
});
