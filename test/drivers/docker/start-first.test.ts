import { expect, test, vi } from "vitest";
import { start } from "../../../src/drivers/docker/apply.ts";
import { Engine } from "../../../src/drivers/docker/client.ts";
import { docker } from "../../../src/drivers/docker/dialect.ts";

test("what is to be started waits for no creation that has not begun", async () => {
  const deps = { env: {}, stateDir: "/nowhere", now: Date.now, randomId: () => "0" };
  await using engine = new Engine(docker, undefined, deps);
  const order: string[] = [];
  vi.spyOn(engine, "send").mockImplementation(async ({ what }) => void order.push(what));
  engine.known.open.add("5f1e");
  engine.writes.pause();
  const created = engine.writes.add(async () => void order.push("create another"));
  const started = start(engine, "5f1e");
  await vi.waitFor(() => expect(engine.writes.size).toBe(2));
  engine.writes.start();
  await Promise.all([created, started]);
  expect(order).toEqual(["start container 5f1e", "create another"]);
});
