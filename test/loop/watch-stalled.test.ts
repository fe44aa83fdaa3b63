import { expect, test, vi } from "vitest";
import { watch } from "../../controllers/watch.ts";
import type { EventBody } from "../../src/model/event.ts";
import { explainFleet } from "../../src/plan/explain.ts";
import { readFacts } from "../../src/state/facts.ts";
import { Lab, REMOTE } from "../support/memory-fleet.ts";

// Who is parked as Stalled, why it says so, and what begins anew.

// Each test waits for what must come about as long as a loaded machine may take; only a hang reaches these.
const PATIENCE_MS = 45_000;
vi.setConfig({ testTimeout: 180_000 });

const DOCKER = { image: "img:a", memory: "64MiB" };

const config = (sandbox: object = {}, more: object = {}): object => ({
  watch: { debounce: "50ms" },
  sandbox: { backend: "docker", docker: DOCKER, ...sandbox },
  agents: { a: {} },
  ...more,
});

/** A watch over a fleet of its own, stopped before the fleet goes. */
class Watched implements AsyncDisposable {
  readonly lab = new Lab({ uptime: 10_000 });
  readonly #stop = new AbortController();
  #ended: Promise<number> = Promise.resolve(0);

  async start(written: object): Promise<void> {
    await this.lab.write(written);
    this.#ended = watch(this.lab.engine(), { signal: this.#stop.signal });
  }

  of<T extends EventBody["type"]>(type: T): Extract<EventBody, { type: T }>[] {
    return this.lab.events.filter((event): event is Extract<EventBody, { type: T }> => event.type === type);
  }

  running(): string[] {
    return this.lab
      .primaries()
      .filter(({ state }) => state === "running")
      .map(({ decoded }) => decoded?.address ?? "")
      .toSorted();
  }

  until(check: () => void | Promise<void>): Promise<void> {
    return vi.waitFor(check, { timeout: PATIENCE_MS, interval: 5 });
  }

  /** Returns once another cycle than those there were has ended. */
  async look(act: () => Promise<void>): Promise<void> {
    const before = this.of("watch.cycle").length;
    await act();
    await this.until(() => expect(this.of("watch.cycle").length).toBeGreaterThan(before));
  }

  /** `agent/a` dies after each start, until it is parked. */
  async stall(): Promise<void> {
    for (let start = 1; start <= 4; start += 1) {
      await this.until(() => {
        expect(this.running()).toContain("agent/a");
        expect(this.of("change.finished").filter(({ address }) => address === "agent/a")).toHaveLength(start);
        expect(this.of("watch.stalled")).toHaveLength(start === 4 ? 1 : 0);
      });
      this.kill();
    }
  }

  kill(): void {
    const found = this.lab.primaries().find(({ decoded }) => decoded?.address === "agent/a");
    this.lab.world.stopBehind(found?.name ?? "", 137, this.lab.hostOf(found?.id ?? ""));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.lab[Symbol.asyncDispose]();
  }
}

test.each<readonly [string, object]>([
  ["its image", config({ docker: { ...DOCKER, image: "img:b" } })],
  ["its memory", config({ docker: { ...DOCKER, memory: "128MiB" } })],
  ["how it tells that it is ready", config({ ready: { command: ["true"] } })],
])("what is parked is tried again after an edit of %s, and of nothing else", async (_, edited) => {
  await using watched = new Watched();
  await watched.start(config());
  await watched.stall();
  await watched.look(() => watched.lab.write(config({}, { agents: { a: {}, b: {} } })));
  await watched.until(() => expect(watched.running()).toEqual(["agent/b"]));
  await watched.look(() => watched.lab.write(config({}, { guards: { allow_empty: true } })));
  await watched.until(() => expect(watched.running()).toEqual([]));
  await watched.lab.write(edited);
  await watched.until(() => expect(watched.running()).toEqual(["agent/a"]));
  expect(watched.of("watch.stalled")).toHaveLength(1);
});

test("it is tried again after an edit while another engine is away", async () => {
  await using watched = new Watched();
  const both = { hosts: REMOTE, agents: { a: {}, far: { sandbox: { host: "b1" } } } };
  await watched.start(config({}, both));
  await watched.stall();
  watched.lab.world.machine("b1").reachable = false;
  await watched.lab.write(config({ docker: { ...DOCKER, image: "img:b" } }, both));
  await watched.until(() => expect(watched.running()).toContain("agent/a"));
});

test("it says what its last start failed of", async () => {
  await using watched = new Watched();
  const { lab } = watched;
  lab.world.healthScript = () => ({ state: "exited", exit_code: 1, detail: "no such module" });
  await watched.start(config());
  await watched.until(() => expect(watched.of("watch.stalled")).toHaveLength(1));
  const why =
    "started more than 3 times within 10 minutes; left alone until its settings change; the last time: UNHEALTHY: it exited with 1: no such module";
  expect(watched.of("watch.stalled")[0]).toMatchObject({ address: "agent/a", why });
  for (const each of watched.of("watch.backoff")) {
    expect(each.why).toBe("UNHEALTHY: it exited with 1: no such module");
  }
  const told = { state: "stalled", why, until: null };
  await watched.until(async () => {
    const { left_alone } = await readFacts(lab.state(), lab.time.now());
    expect(left_alone).toEqual([{ address: "agent/a", ...told }]);
  });
  const explained = await explainFleet(lab.engine(), { address: "agent/a" });
  expect(explained).toMatchObject({
    explanation: { agents: [{ runtimes: [{ address: "agent/a", watch: told }] }] },
  });
});

test("one that was well and then died says why it had to be started", async () => {
  await using watched = new Watched();
  await watched.start(config());
  await watched.stall();
  expect(watched.of("watch.stalled")[0]?.why).toMatch(
    /; the last time: it should run and ended with exit code 137$/,
  );
});

test("one whose settings went back to what runs is not told of as left alone, for nothing is due", async () => {
  await using watched = new Watched();
  const { lab } = watched;
  await watched.start(config());
  await watched.until(() => expect(watched.running()).toEqual(["agent/a"]));
  lab.world.healthScript = (name) => (name.endsWith(".new") ? { health: "unhealthy" } : {});
  await lab.write(config({ env: { MOOD: "bad" } }));
  await watched.until(() => expect(watched.of("watch.stalled")).toHaveLength(1));
  const leftAlone = async (): Promise<unknown> => (await readFacts(lab.state(), lab.time.now())).left_alone;
  await watched.until(async () => expect(await leftAlone()).toMatchObject([{ state: "stalled" }]));
  await watched.look(() => lab.write(config()));
  await watched.until(async () => expect(await leftAlone()).toEqual([]));
  // What is due again is tried again, and then left alone and told as before.
  await lab.write(config({ env: { MOOD: "bad" } }));
  await watched.until(async () => expect(await leftAlone()).toMatchObject([{ state: "stalled" }]));
});
