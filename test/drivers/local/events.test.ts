import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DriverEvent } from "../../../src/drivers/driver.ts";
import type { Bench } from "./fixture.ts";
import { bench, labelsOf, make, NAME, run, sh, specOf, until } from "./fixture.ts";

/** Everything told until the test ends; stops with the controller. */
async function listen(
  on: Bench,
): Promise<{ readonly told: DriverEvent[]; readonly stop: () => Promise<void> }> {
  const controller = new AbortController();
  const events = await on.driver.events(on.scope, controller.signal);
  const told: DriverEvent[] = [];
  const ended = (async () => {
    for await (const event of events) told.push(event);
  })();
  return {
    told,
    stop: async () => {
      controller.abort();
      await ended;
    },
  };
}

test("tells of creation, change by hand, rename and removal, and ends with its signal", async () => {
  await using on = await bench();
  const { told, stop } = await listen(on);
  const id = await make(on);
  const changed = () => told.some((each) => each.kind === "changed" && each.address === "agent/work");
  await until(changed);

  told.length = 0;
  const manifest = join(on.fleetDir, "objects", id, "manifest.json");
  await writeFile(manifest, await readFile(manifest));
  await until(changed);

  told.length = 0;
  await on.driver.rename(id, `${NAME}.old`);
  await until(() => told.length > 0);

  told.length = 0;
  const spec = specOf(on);
  await on.driver.update({ objectId: id, spec, paths: [], labels: labelsOf(on, spec, { protect: true }) });
  await until(changed);

  told.length = 0;
  await on.driver.remove(id, "keep");
  await until(() => told.length > 0);
  await stop();
});

test("is silent while commands only work", async () => {
  await using on = await bench();
  const id = await make(on);
  await run(on, id, ["true"]);
  const { told, stop } = await listen(on);
  await new Promise((resolve) => setTimeout(resolve, 100));
  told.length = 0;
  await run(on, id, sh('echo x > "$HOME/x"; echo y > y; echo z > "$TMPDIR/z"'));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(told).toEqual([]);
  await stop();
});

test("starts before there is anything to watch, and makes nothing to watch it", async () => {
  await using on = await bench();
  const { told, stop } = await listen(on);
  await expect(rename(on.fleetDir, on.fleetDir)).rejects.toThrow("ENOENT");
  await make(on);
  await until(() => told.some((each) => each.kind === "changed"));
  await stop();
});
