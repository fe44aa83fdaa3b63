import { execFileSync } from "node:child_process";
import { chmod, mkdir, readFile, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asAnybody } from "../../support/anybody.ts";
import type { Bench } from "./fixture.ts";
import { bench, complete, labelsOf, make, NAME, only, run, sh, specOf } from "./fixture.ts";

function objectDir(on: Bench, id: string): string {
  return join(on.fleetDir, "objects", id);
}

async function edit(
  on: Bench,
  id: string,
  change: (manifest: Record<string, unknown>) => void,
): Promise<void> {
  const path = join(objectDir(on, id), "manifest.json");
  const manifest = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
  change(manifest);
  await writeFile(path, JSON.stringify(manifest));
}

describe("a change made by hand", () => {
  test("to a value in the manifest is real and shows", async () => {
    await using on = await bench();
    const id = await make(on, { env: { A: "1" } });
    await edit(on, id, (manifest) => Object.assign(manifest["fields"] as object, { env: { A: "2" } }));
    expect((await only(on)).fields["env"]).toEqual({ A: "2" });
    expect((await only(on)).labels.spec.values["env"]).toEqual({ A: "1" });
    expect((await run(on, id, sh('echo "$A"'))).out).toBe("2\n");
    const spec = specOf(on, { env: { A: "1" } });
    await on.driver.update({ objectId: id, spec, paths: ["env"], labels: labelsOf(on, spec) });
    expect((await only(on)).fields["env"]).toEqual({ A: "1" });
  });

  test("to the workspace link, the home or the name shows", async () => {
    await using on = await bench();
    const id = await make(on);
    const dir = objectDir(on, id);
    await unlink(join(dir, "workspace"));
    expect((await only(on)).fields["workspace.source"]).toBeNull();
    await symlink("/etc", join(dir, "workspace"));
    expect((await only(on)).fields["workspace.source"]).toBe("/etc");
    await rm(join(dir, "home"), { recursive: true });
    expect((await only(on)).fields["local.home"]).toBeNull();
    await rename(join(on.fleetDir, NAME), join(on.fleetDir, "renamed"));
    expect((await only(on)).name).toBe("renamed");
    expect((await only(on)).labels.name).toBe(NAME);
  });

  test("that takes the manifest's isolation away never runs anything without it", async () => {
    await using on = await bench();
    const id = await make(on, { local: { isolation: "bubblewrap" } });
    await edit(
      on,
      id,
      (manifest) => delete (manifest["fields"] as Record<string, unknown>)["local.isolation"],
    );
    await expect(run(on, id, ["true"])).rejects.toMatchObject({ code: "LOCAL_SPEC" });
    expect((await only(on)).fields["local.isolation"]).toBeNull();
  });
});

describe("a damaged manifest", () => {
  test.each([
    ["torn", '{"format_version":1,"obj'],
    ["empty", ""],
    ["another shape", "[1,2]"],
    ["of another object", '{"format_version":1,"object_id":"ffffffffffffffff","labels":{}}'],
    ["too large", " ".repeat(1_100_000)],
  ])("(%s) is a broken runtime that is still known as ours", async (_what, text) => {
    await using on = await bench();
    const id = await make(on);
    await writeFile(join(objectDir(on, id), "manifest.json"), text);
    expect(await only(on)).toMatchObject({
      object_id: id,
      state: "broken",
      labels: { address: "agent/work" },
    });
    expect(await on.driver.health(id)).toMatchObject({ state: "exited" });
    await expect(run(on, id, ["true"])).rejects.toMatchObject({ code: "LOCAL_BROKEN" });
    await on.driver.remove(id, "keep");
    expect((await complete(on)).runtimes).toEqual([]);
  });

  test("that is a link or a pipe is neither followed nor waited for", async () => {
    await using on = await bench();
    const id = await make(on);
    const path = join(objectDir(on, id), "manifest.json");
    await rename(path, join(on.base, "elsewhere.json"));
    await symlink(join(on.base, "elsewhere.json"), path);
    expect((await only(on)).state).toBe("broken");
    await unlink(path);
    execFileSync("/usr/bin/mkfifo", [path]);
    expect((await only(on)).state).toBe("broken");
  });

  test("whose labels are lost too is foreign: nobody can tell whose it is", async () => {
    await using on = await bench();
    const id = await make(on);
    await writeFile(join(objectDir(on, id), "manifest.json"), "{");
    await writeFile(join(objectDir(on, id), "labels.json"), "{");
    expect(await complete(on)).toMatchObject({ runtimes: [], foreign: [{ name: NAME, object_id: id }] });
    await expect(make(on)).rejects.toMatchObject({ kind: "conflict" });
  });

  test("of any contents never fails an observation", async () => {
    await using on = await bench();
    const id = await make(on);
    const path = join(objectDir(on, id), "manifest.json");
    const good = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    const contents = fc.oneof(
      fc.json(),
      fc.string({ unit: "binary" }),
      fc
        .tuple(
          fc.constantFrom("labels", "fields", "created_at", "object_id", "format_version"),
          fc.jsonValue(),
        )
        .map(([key, value]) => JSON.stringify({ ...good, [key]: value })),
    );
    await fc.assert(
      fc.asyncProperty(contents, async (text) => {
        await writeFile(path, text);
        expect(["running", "broken"]).toContain((await only(on)).state);
      }),
      { numRuns: 60 },
    );
  });
});

describe("what is not ours", () => {
  test("is foreign when another fleet of the same name made it", async () => {
    await using on = await bench();
    const id = await make(on);
    const seen = await complete(on, { ...on.scope, fleet_id: "id2" });
    expect(seen).toMatchObject({
      runtimes: [],
      foreign: [{ name: NAME, object_id: id, why: expect.stringContaining("id1") as string }],
    });
    const { fleet, names } = on.scope;
    expect((await complete(on, { fleet, names })).runtimes).toHaveLength(1);
  });

  test("is foreign when it holds a name we want, and left alone otherwise", async () => {
    await using on = await bench();
    await mkdir(join(on.fleetDir, NAME), { recursive: true });
    await writeFile(join(on.fleetDir, "notes.txt"), "a person's");
    expect((await complete(on)).foreign.map((each) => each.name)).toEqual([NAME]);
    await expect(make(on)).rejects.toMatchObject({ kind: "conflict" });
    await rm(join(on.fleetDir, NAME), { recursive: true });
    await symlink("/etc", join(on.fleetDir, NAME));
    expect((await complete(on)).foreign.map((each) => each.name)).toEqual([NAME]);
    await expect(make(on)).rejects.toMatchObject({ kind: "conflict" });
    expect(await readFile(join(on.fleetDir, "notes.txt"), "utf8")).toBe("a person's");
  });
});

test("a mark of another fleet is none of ours, and one without an id only where we have none", async () => {
  await using on = await bench();
  const { fleet, names } = on.scope;
  const address = "agent/work";
  const mark = { since: 1, reason: "idle" };
  const path = join(on.fleetDir, ".dormant", "agent%2Fwork.json");
  await on.driver.mark(on.scope, address, mark);
  expect((await complete(on)).dormant).toEqual([{ address, ...mark }]);
  expect((await complete(on, { ...on.scope, fleet_id: "id2" })).dormant).toEqual([]);
  const written = JSON.parse(await readFile(path, "utf8")) as object;
  await writeFile(path, JSON.stringify({ ...written, fleet: "other" }));
  expect((await complete(on)).dormant).toEqual([]);
  expect((await complete(on, { fleet, names })).dormant).toEqual([]);
  await on.driver.mark({ fleet, names }, address, mark);
  expect((await complete(on)).dormant).toEqual([]);
  expect((await complete(on, { fleet, names })).dormant).toEqual([{ address, ...mark }]);
});

test("a fleet without a folder is a complete observation of nothing", async () => {
  await using on = await bench();
  expect(await complete(on)).toMatchObject({ runtimes: [], foreign: [], dormant: [] });
});

test("what may not be read is unobserved, never missing", async () => {
  await using on = await bench();
  await make(on);
  await chmod(on.fleetDir, 0);
  try {
    // Root reads everything.
    using _anybody = asAnybody();
    expect(await on.driver.observe(on.scope)).toMatchObject({ status: "unobserved", kind: "denied" });
  } finally {
    await chmod(on.fleetDir, 0o700);
  }
});
