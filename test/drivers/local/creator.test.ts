import { mkdir, readdir, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { creatorText } from "../../../src/drivers/local/creator.ts";
import { stagingName } from "../../../src/drivers/local/names.ts";
import { ownIdentity } from "../../../src/util/process-identity.ts";
import { bench, complete, make, NAME } from "./fixture.ts";
import type { Bench } from "./fixture.ts";

const ID = "0".repeat(16);

/** What a process in another container, or of another boot, left or is just making. */
async function begun(on: Bench, other: Partial<ReturnType<typeof ownIdentity>>): Promise<string> {
  const objects = join(on.fleetDir, "objects");
  const staging = stagingName(ID, creatorText({ ...ownIdentity(), ...other }));
  await mkdir(join(objects, staging), { recursive: true });
  await symlink(`objects/${ID}`, join(on.fleetDir, NAME));
  return join(objects, staging);
}

describe.each([
  ["in another container", { pid_namespace: "pid:[1]" }],
  ["of another boot or machine", { boot_id: "another" }],
])("a creator %s", (_title, other) => {
  test("that is just making a runtime is not taken for a dead one", async () => {
    await using on = await bench();
    await begun(on, other);
    await expect(make(on)).rejects.toMatchObject({ kind: "conflict" });
    expect(await readdir(join(on.fleetDir, "objects"))).toHaveLength(1);
  });

  test("that stood still for long is replaced", async () => {
    await using on = await bench();
    const staging = await begun(on, other);
    const long = (Date.now() - 120_000) / 1000;
    await utimes(staging, long, long);
    const id = await make(on);
    expect(await readdir(join(on.fleetDir, "objects"))).toEqual([id]);
    expect((await complete(on)).runtimes).toHaveLength(1);
  });
});

test("a creator whose pid another process has now is dead", async () => {
  await using on = await bench();
  await begun(on, { start_time: "1" });
  const id = await make(on);
  expect(await readdir(join(on.fleetDir, "objects"))).toEqual([id]);
});
