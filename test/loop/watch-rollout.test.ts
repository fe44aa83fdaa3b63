import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { watch } from "../../controllers/watch.ts";
import type { EventBody } from "../../src/model/event.ts";
import { readFacts } from "../../src/state/facts.ts";
import { Lab, portrait } from "../support/memory-fleet.ts";

// Each test waits for what must come about as long as a loaded machine may take; only a hang reaches these.
const PATIENCE_MS = 45_000;
vi.setConfig({ testTimeout: 180_000 });

const NAMES = ["a", "b", "c", "d", "e", "f"] as const;

const config = (docker: object): object => ({
  watch: { debounce: "50ms" },
  sandbox: { backend: "docker", docker: { image: "img:a", ...docker } },
  agents: Object.fromEntries(NAMES.map((name) => [name, {}])),
});

/** Which address is the canary depends on what watch looked at first. */
const paused = (canary: string, waiting: readonly string[]): unknown[] =>
  waiting.map((name): unknown =>
    expect.stringMatching(new RegExp(`^agent/${name}: .*agent/${canary} failed`)),
  );

/** A watch over a fleet of its own, stopped before the fleet goes. */
class Watched implements AsyncDisposable {
  readonly lab = new Lab();
  readonly #stop = new AbortController();
  #ended: Promise<number> = Promise.resolve(0);

  async start(): Promise<void> {
    await this.lab.write(config({}));
    const engine = { ...this.lab.engine(), randomId: () => randomBytes(8).toString("hex") };
    this.#ended = watch(engine, { signal: this.#stop.signal });
    await this.until(() => expect(this.running()).toEqual(NAMES));
    await this.until(() => expect(this.cycles()).toBeGreaterThan(0));
    this.lab.events.length = 0;
  }

  /** Agents whose canonical runtime runs with this setting of the network. */
  running(network = "none"): string[] {
    return this.lab
      .objects()
      .filter(({ state, name, decoded, fields }) => {
        return state === "running" && name === decoded?.name && fields["memory.network"] === network;
      })
      .map(({ decoded }) => (decoded?.address ?? "").slice("agent/".length))
      .toSorted();
  }

  /** Ids and labels of all, by agent. */
  portraits(): Map<string, string> {
    return new Map(
      this.lab
        .objects()
        .filter(({ name, decoded }) => name === decoded?.name)
        .map((each) => [(each.decoded?.address ?? "").slice("agent/".length), portrait(each)]),
    );
  }

  nameOf(agent: string): string {
    const found = this.lab.objects().find(({ decoded }) => decoded?.address === `agent/${agent}`);
    return found?.decoded?.name ?? "";
  }

  cycles(): number {
    return this.lab.events.filter(({ type }) => type === "watch.cycle").length;
  }

  notes(code: string): EventBody[] {
    return this.lab.events.filter((event) => event.type === "note" && event.code === code);
  }

  /** Addresses that the executor began to change. */
  begun(): string[] {
    const all = this.lab.events.flatMap((event) => (event.type === "step.started" ? [event.address] : []));
    return [...new Set(all)].toSorted();
  }

  /** What `explain` and `list` tell of whom watch leaves alone; the canary is in it only while its back-off lasts. */
  async leftAlone(): Promise<string[]> {
    const { left_alone } = await readFacts(this.lab.state(), this.lab.time.now());
    return left_alone
      .filter(({ state }) => state === "paused")
      .map(({ address, why }) => `${address}: ${why}`);
  }

  until(check: () => void | Promise<void>): Promise<void> {
    return vi.waitFor(check, { timeout: PATIENCE_MS, interval: 10 });
  }

  /** A change that its canary does not survive has come, and stands. */
  async pauseOn(docker: object): Promise<{ canary: string; waiting: readonly string[] }> {
    this.lab.world.healthScript = (name) => (name.endsWith(".new") ? { health: "unhealthy" } : {});
    await this.lab.write(config(docker));
    await this.until(() => expect(this.notes("ROLLOUT_PAUSED")).toHaveLength(1));
    const canary = (this.begun()[0] ?? "").slice("agent/".length);
    return { canary, waiting: NAMES.filter((name) => name !== canary) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.lab[Symbol.asyncDispose]();
  }
}

test("a paused rollout picks no other canary, and goes on by itself once its canary has made it", async () => {
  await using watched = new Watched();
  await watched.start();
  const { canary, waiting } = await watched.pauseOn({ network: "bridge" });
  const [other = ""] = waiting;
  // Another look at everything, and one at an address that waits: neither may push on.
  const before = watched.cycles();
  await watched.lab.write({ ...config({ network: "bridge" }), guards: { allow_empty: true } });
  await watched.until(() => expect(watched.cycles()).toBeGreaterThan(before));
  const looks = watched.cycles();
  watched.lab.world.changeBehind(watched.nameOf(other), "memory.cpus", 7);
  await watched.until(() => expect(watched.cycles()).toBeGreaterThan(looks));
  expect(watched.begun()).toEqual([`agent/${canary}`]);
  // The canary is down for a moment whenever it is tried again.
  await watched.until(() => expect(watched.running()).toEqual(NAMES));
  await watched.until(async () => expect(await watched.leftAlone()).toEqual(paused(canary, waiting)));
  // The canary is tried again as its back-off allows, and nothing else is.
  await watched.until(() =>
    expect(watched.lab.events.filter(({ type }) => type === "watch.backoff").length).toBeGreaterThan(1),
  );
  expect(watched.begun()).toEqual([`agent/${canary}`]);
  watched.lab.world.healthScript = () => ({});
  await watched.until(() => expect(watched.running("bridge")).toEqual(NAMES));
  expect(watched.notes("ROLLOUT_GOES_ON").length).toBeGreaterThan(0);
  await watched.until(async () => expect(await watched.leftAlone()).toEqual([]));
});

test("a paused rollout is over when the config says otherwise", async () => {
  await using watched = new Watched();
  await watched.start();
  const before = watched.portraits();
  const { canary, waiting } = await watched.pauseOn({ network: "bridge" });
  expect(canary).not.toBe("");
  await watched.lab.write(config({}));
  const looks = watched.cycles();
  await watched.until(() => expect(watched.cycles()).toBeGreaterThan(looks));
  const after = watched.portraits();
  for (const name of waiting) expect(after.get(name), name).toBe(before.get(name));
  watched.lab.world.healthScript = () => ({});
  await watched.lab.write(config({ network: "internal" }));
  await watched.until(() => expect(watched.running("internal")).toEqual(NAMES));
});

test("one that is down while its rollout is paused comes back", async () => {
  await using watched = new Watched();
  await watched.start();
  const { waiting } = await watched.pauseOn({ network: "bridge" });
  const [first = "", second = ""] = waiting;
  const name = watched.nameOf(first);
  watched.lab.world.stopBehind(name);
  await watched.until(() => expect(watched.running()).toEqual(NAMES));
  expect(watched.begun()).toContain(`agent/${first}`);
  expect(watched.begun()).not.toContain(`agent/${second}`);
});

test("a change in place that its canary does not survive reaches nobody else, though it stands", async () => {
  await using watched = new Watched();
  await watched.start();
  const memoryOf = (): unknown[] => watched.lab.objects().map(({ fields }) => fields["memory.memory"]);
  watched.lab.world.healthScript = (name) => {
    const object = watched.lab.objects().find((each) => each.name === name);
    return object?.fields["memory.memory"] === 8 * 2 ** 20 ? { health: "unhealthy" } : {};
  };
  await watched.lab.write(config({ memory: "8MiB" }));
  await watched.until(() => expect(watched.notes("ROLLOUT_PAUSED")).toHaveLength(1));
  const begun = watched.begun();
  expect(begun).toHaveLength(1);
  // Long enough for its first back-off: from then on it is looked at again, and is as declared.
  await sleep(1_100);
  const before = watched.cycles();
  await watched.lab.write({ ...config({ memory: "8MiB" }), guards: { allow_empty: true } });
  await watched.until(() => expect(watched.cycles()).toBeGreaterThan(before));
  const looks = watched.cycles();
  watched.lab.world.changeBehind(watched.nameOf("f"), "memory.cpus", 7);
  await watched.until(() => expect(watched.cycles()).toBeGreaterThan(looks));
  expect(watched.notes("ROLLOUT_GOES_ON")).toEqual([]);
  expect(watched.begun()).toEqual(begun);
  expect(memoryOf().filter((each) => each !== undefined)).toEqual([8 * 2 ** 20]);
  await watched.lab.write(config({ memory: "1GiB" }));
  await watched.until(() => expect(memoryOf()).toEqual(NAMES.map(() => 2 ** 30)));
});
