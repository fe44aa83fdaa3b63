import { PassThrough } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import type { Call, Engine } from "../../../src/drivers/docker/client.ts";
import { events } from "../../../src/drivers/docker/events.ts";
import type { DriverEvent } from "../../../src/drivers/driver.ts";
import { SandkeepError } from "../../../src/errors.ts";

// What is told of networks, and of streams that break: an engine of which each answer is in the hand of the test.

const LABELS = { "sandkeep.fleet": "team", "sandkeep.fleet-id": "1", "sandkeep.address": "agent/work" };
const CHANGED = { kind: "changed", address: "agent/work" };
const GAP = { kind: "gap" };

let containers: PassThrough;
let networks: PassThrough;
let asked: (readonly string[])[];
let answer: () => Promise<readonly object[]>;
let heard: DriverEvent[];

beforeEach(() => {
  containers = new PassThrough();
  networks = new PassThrough();
  asked = [];
  answer = () => Promise.resolve([container(LABELS)]);
  heard = [];
});

const container = (Labels: Readonly<Record<string, string>>) => ({
  Id: "c1",
  Names: ["/work"],
  Image: "busybox",
  State: "running",
  Labels,
});
const filtersOf = ({ query }: Call): { readonly type?: readonly string[]; readonly id?: readonly string[] } =>
  query?.["filters"] ?? {};

function engine(
  network = (): Promise<PassThrough> => Promise.resolve(networks),
): Pick<Engine, "json" | "stream"> {
  return {
    stream: (call) => (filtersOf(call).type?.[0] === "network" ? network() : Promise.resolve(containers)),
    json: async (call, read) => {
      asked.push(filtersOf(call).id ?? []);
      return read(await answer());
    },
  };
}

/** Settles when the stream of hints has ended. */
async function listen(to = engine(), signal = new AbortController().signal): Promise<void> {
  const told = await events(to, { fleet: "team", fleet_id: "1", names: [] }, signal);
  for await (const event of told) heard.push(event);
}

const line = (event: object): string => `${JSON.stringify(event)}\n`;
const joined = (id: string, type = "bridge"): string =>
  line({ Type: "network", Action: "connect", Actor: { ID: "n1", Attributes: { container: id, type } } });
const died = line({ Type: "container", Action: "die", Actor: { ID: "c1", Attributes: LABELS } });

async function settled(): Promise<void> {
  for (let each = 0; each < 20; each += 1) await turn();
}

test.each([
  ["containers", () => containers],
  ["networks", () => networks],
])("when the events of %s are cut off, all that is told ends with a gap", async (_, stream) => {
  const listening = listen();
  await settled();
  containers.write(died);
  await settled();
  stream().destroy(new Error("cut off"));
  await listening;
  expect(heard).toEqual([CHANGED, GAP]);
  expect([containers.destroyed, networks.destroyed]).toEqual([true, true]);
});

test("a stream that was cut off while the other was asked for is no stream", async () => {
  await listen(
    engine(() => {
      containers.destroy();
      return turn(networks);
    }),
  );
  expect(heard).toEqual([GAP]);
});

test("whoever may not hear of networks still hears of containers, and any other refusal is told", async () => {
  const refusing = (kind: "denied" | "transient") =>
    engine(() => Promise.reject(new SandkeepError("no", { code: "X", kind, blame: "backend" })));
  const listening = listen(refusing("denied"));
  await settled();
  containers.end(died);
  await listening;
  expect(heard).toEqual([CHANGED, GAP]);
  containers = new PassThrough();
  await expect(listen(refusing("transient"))).rejects.toThrow("no");
  expect(containers.destroyed).toBe(true);
});

test("much that joins networks is asked about together, and holds up nothing else", async () => {
  let release: (() => void) | undefined;
  answer = () => new Promise((resolve) => (release = () => resolve([])));
  const listening = listen();
  await settled();
  for (let each = 0; each < 30; each += 1) networks.write(joined(`c${each}`) + joined(`c${each}`));
  await settled();
  containers.write(died);
  await settled();
  expect(heard).toEqual([CHANGED]);
  expect(asked).toEqual([["c0"]]);
  release?.();
  await settled();
  // The second event of the first came when it was being asked about.
  expect(asked.map((ids) => ids.length)).toEqual([1, 30]);
  containers.end();
  await listening;
});

test("of `none` and the host's network nothing is asked, and strangers are none of ours", async () => {
  answer = () => Promise.resolve([container({ ...LABELS, "sandkeep.fleet-id": "2" })]);
  const listening = listen();
  await settled();
  networks.write(joined("c1", "null") + joined("c2", "host") + joined("c3"));
  await settled();
  containers.end();
  await listening;
  expect(asked).toEqual([["c3"]]);
  expect(heard).toEqual([GAP]);
});

test("where an engine does not say who joined, everything is looked at, and what follows is heard", async () => {
  answer = () => Promise.reject(new Error("busy"));
  const listening = listen();
  await settled();
  networks.write(joined("c1"));
  await settled();
  answer = () => Promise.resolve([container(LABELS)]);
  networks.write(joined("c2"));
  await settled();
  containers.end();
  await listening;
  expect(heard).toEqual([GAP, CHANGED, GAP]);
});

test("no list is asked about more than its address can hold, and all are asked about", async () => {
  answer = () => Promise.resolve([]);
  const listening = listen();
  await settled();
  for (let each = 0; each < 100; each += 1) networks.write(joined(`c${each}`));
  await settled();
  containers.end();
  await listening;
  expect(Math.max(...asked.map((ids) => ids.length))).toBe(40);
  expect(new Set(asked.flat()).size).toBe(100);
});

test("whoever no longer listens is told of no failure, and nothing more is asked", async () => {
  const stop = new AbortController();
  answer = () =>
    new Promise((_, reject) => stop.signal.addEventListener("abort", () => reject(new Error("aborted"))));
  const listening = listen(engine(), stop.signal);
  await settled();
  networks.write(joined("c1") + joined("c2"));
  await settled();
  stop.abort();
  await settled();
  containers.end();
  await listening;
  expect(asked).toEqual([["c1"]]);
  expect(heard).toEqual([GAP]);
});
