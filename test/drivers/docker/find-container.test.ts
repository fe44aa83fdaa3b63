import { expect, it } from "vitest";
import { healthOf, stateOf } from "../../../src/drivers/docker/find-container.ts";
import { readContainer } from "../../../src/drivers/docker/wire-container.ts";

/** A container that its engine is about to start again. */
const restarting = (RestartCount: number, lastedSeconds: number) => {
  const FinishedAt = "2030-01-10T00:10:00.5Z";
  const StartedAt = new Date(Date.parse(FinishedAt) - lastedSeconds * 1000).toISOString();
  // Engines leave this on whatever ends.
  const Health = { Status: "unhealthy" };
  const State = { Status: "restarting", ExitCode: 1, StartedAt, FinishedAt, Health };
  return readContainer({ Id: "c1", Name: "/sk-a", State, Config: {}, HostConfig: {}, RestartCount });
};

it.each([
  ["after its first end, however soon", 1, 0.1, "running"],
  ["after its second", 2, 0.1, "running"],
  ["when it ends again and again", 3, 0.1, "restarting"],
  ["after many ends in a long life, of which the last was a long time coming", 40, 3_600, "running"],
  ["after a run of ten seconds, which engines count as a good one", 5, 10, "running"],
])("one that its engine starts again %s", (_, count, lasted, state) => {
  expect(stateOf(restarting(count, lasted))).toBe(state);
  expect(healthOf(restarting(count, lasted))).toBe("none");
});
