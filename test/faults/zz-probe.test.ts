import { expect, it } from "vitest";
import { Lab, acting } from "../support/memory-fleet.ts";
it.each(["process", "directory"] as const)("converges %s", async (lifecycle) => {
  using lab = new Lab({ lifecycle });
  await lab.write({ sandbox: { backend: "docker", docker: { image: "img:a" }, setup: ["true"] }, agents: { a: {}, b: {}, c: {sandbox:{scope: "session"}, sessions: ["main","x"]} } });
  const t = performance.now();
  const { plan, result } = await lab.apply();
  console.log(result.outcomes.map((o) => [o.address, o.status, o.error?.message]), performance.now() - t, lab.world.log.length);
  const t2 = performance.now();
  const again = await lab.plan();
  console.log(performance.now() - t2);
  expect(acting(again)).toEqual([]);
  lab.writes();
  await lab.apply();
  expect(lab.writes()).toBe(0);
  void plan;
});
