import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { localDriver } from "../../../src/drivers/local/index.ts";
import { bench, complete, labelsOf, make, NAME, program, specOf } from "./fixture.ts";

/** Creates, replaces and removes without end, as an apply would. */
const CHURN = `
  const { name, labels, spec, scope } = JSON.parse(process.argv[2]);
  for (;;) {
    const { runtimes } = await driver.observe(scope);
    const held = (slot) => runtimes.find((each) => each.name === name + slot);
    for (const each of runtimes) if (each.name !== name) await driver.remove(each.object_id, "keep");
    const fresh = await driver.create({ name: name + ".new", labels, spec });
    const old = held("");
    if (old !== undefined) await driver.rename(old.object_id, name + ".old");
    await driver.rename(fresh.objectId, name);
    if (old !== undefined) await driver.remove(old.object_id, "keep");
    process.stdout.write(".");
  }`;

test("whenever a process is killed, the next one goes on and nothing is lost or left", async () => {
  await using on = await bench();
  await writeFile(join(on.workspace, "precious"), "kept");
  const path = await program(on, CHURN);
  const spec = specOf(on);
  const order = JSON.stringify({ name: NAME, labels: labelsOf(on, spec), spec, scope: on.scope });
  for (let round = 0; round < 15; round += 1) {
    const churn = spawn(process.execPath, [path, order], { stdio: ["ignore", "pipe", "pipe"] });
    let complaint = "";
    churn.stderr.on("data", (chunk) => {
      complaint += String(chunk);
    });
    await once(churn.stdout, "data");
    await sleep(round * 1.7);
    churn.kill("SIGKILL");
    await once(churn, "close");
    expect(complaint).toBe("");
    const { runtimes } = await complete(on);
    expect(runtimes.length).toBeGreaterThan(0);
    expect(runtimes.every((each) => each.state === "running")).toBe(true);
  }
  const driver = await localDriver.open(undefined, on.deps);
  for (const each of (await complete(on)).runtimes) await driver.remove(each.object_id, "keep");
  const id = await make({ ...on, driver: await localDriver.open(undefined, on.deps) });
  expect(await readdir(join(on.fleetDir, "objects"))).toEqual([id]);
  expect((await readdir(on.fleetDir)).toSorted()).toEqual(["objects", NAME].toSorted());
  expect(await readdir(on.workspace)).toEqual(["precious"]);
}, 60_000);
