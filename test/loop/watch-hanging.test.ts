import { expect, test, vi } from "vitest";
import { watch } from "../../controllers/watch.ts";
import { Lab, REMOTE } from "../support/memory-fleet.ts";

// Waits for what must come about as long as a loaded machine may take; only a hang reaches these.
const PATIENCE_MS = 45_000;
vi.setConfig({ testTimeout: 180_000 });

test("what dies comes back while an engine elsewhere hangs", async () => {
  await using lab = new Lab({ uptime: 10_000 });
  await lab.write({
    hosts: REMOTE,
    sandbox: { backend: "docker", docker: { image: "img:a" } },
    agents: { a: {}, far: { sandbox: { host: "b1" } } },
  });
  const until = (check: () => void): Promise<void> =>
    vi.waitFor(check, { timeout: PATIENCE_MS, interval: 5 });
  const states = (): string[] => lab.primaries().map(({ state }) => state);
  const cycles = (): number => lab.events.filter(({ type }) => type === "watch.cycle").length;
  const stop = new AbortController();
  const ended = watch(lab.engine(), { signal: stop.signal });
  let answer = (): void => undefined;
  try {
    await until(() => expect([states(), cycles()]).toEqual([["running", "running"], 1]));
    const hanging = new Promise<void>((resolve) => (answer = resolve));
    lab.world.inject({
      op: "observe",
      matches: ({ host }) => host === "b1",
      times: Infinity,
      effect: { kind: "hook", when: "before", run: () => hanging },
    });
    const near = lab.primaries().find(({ id }) => lab.hostOf(id) === "local");
    lab.world.stopBehind(near?.name ?? "");
    await until(() => expect(states()).toEqual(["running", "running"]));
    await until(() => expect(cycles()).toBe(2));
  } finally {
    answer();
    stop.abort();
    await ended;
  }
});
