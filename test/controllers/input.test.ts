import { expect, test } from "vitest";
import { inputOf } from "../../controllers/input.ts";
import type { Input } from "../../src/loop/backoff.ts";
import { Backoff } from "../../src/loop/backoff.ts";
import { systemClock } from "../../src/loop/clock.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { Lab, REMOTE } from "../support/memory-fleet.ts";

// What counts as another beginning for an address that fails: every edit of what was resolved for it, and nothing else.

const ADDRESS = "agent/a";

const SANDBOX = {
  backend: "docker",
  docker: { image: "img:a", network: "net" },
  setup: ["true"],
  ready: { command: ["true"] },
  secrets: {
    TOKEN: { env: "TOKEN" },
    // Another one at each look, as some programs hand them out.
    FRESH: { command: ["/bin/sh", "-c", "head -c 16 /dev/urandom | od -An -tx1"] },
  },
  timeouts: { setup: "1m" },
};

const NETWORKS = { net: { egress: { allow: ["pypi.org"], image: "img:a" } } };

const cannotResolve = {
  op: "resolveImage",
  times: Infinity,
  effect: { kind: "fail", when: "before", as: "transient" },
} as const;

const fleetOf = (sandbox: JsonObject, more: JsonObject = {}): object => ({
  hosts: REMOTE,
  networks: NETWORKS,
  sandbox: { ...SANDBOX, ...sandbox },
  agents: { a: {} },
  ...more,
});

const docker = (options: JsonObject): JsonObject => ({ docker: { ...SANDBOX.docker, ...options } });

async function inputNow(lab: Lab): Promise<Input> {
  const plan = await lab.plan();
  return inputOf(
    plan.changes.find(({ address }) => address === ADDRESS),
    plan,
  );
}

/** A fleet whose only runtime is gone, after all that is made at a first apply was made. */
async function fallen(lab: Lab): Promise<void> {
  await lab.write(fleetOf({}));
  await lab.apply();
  for (const { name } of lab.primaries()) lab.world.removeBehind(name);
}

function makesNew(before: Input, after: Input): boolean {
  const memory = new Backoff({ clock: systemClock, random: () => 0 });
  memory.failed(ADDRESS, before, "boom");
  return memory.renew(ADDRESS, after);
}

test.each<readonly [string, object]>([
  ["its image", fleetOf(docker({ image: "img:b" }))],
  ["its image policy", fleetOf(docker({ image_policy: "never" }))],
  ["its memory", fleetOf(docker({ memory: "64MiB" }))],
  ["its CPUs", fleetOf(docker({ cpus: 2 }))],
  ["its processes", fleetOf(docker({ pids: 64 }))],
  ["when its engine restarts it", fleetOf(docker({ restart: "always" }))],
  ["its command", fleetOf(docker({ command: ["sleep", "1d"] }))],
  ["how it tells that it is ready", fleetOf({ ready: { command: ["true"], timeout: "5m" } })],
  ["its secrets", fleetOf({ secrets: { ...SANDBOX.secrets, TOKEN: { env: "OTHER" } } })],
  ["how long its setup may take", fleetOf({ timeouts: { setup: "20m" } })],
  ["whether it is looked at from inside", fleetOf({ attest: true })],
  ["its host", fleetOf({ host: "b1" })],
  ["what is kept of it", fleetOf({ salvage: { when: "always" } })],
  ["what may leave it", fleetOf({}, { networks: { net: { egress: { allow: [], image: "img:a" } } } })],
])("an edit of %s is a new beginning", async (_, edited) => {
  await using lab = new Lab({ env: { TOKEN: "one", OTHER: "one" } });
  await fallen(lab);
  const before = await inputNow(lab);
  await lab.write(edited);
  expect(makesNew(before, await inputNow(lab))).toBe(true);
});

test.each<readonly [string, (lab: Lab) => Promise<void> | void]>([
  ["another image under its tag", (lab) => lab.world.moveImage("img:a", "a2")],
  ["another value of a secret", (lab) => void (lab.env["TOKEN"] = "two")],
])("%s is a new beginning", async (_, changed) => {
  await using lab = new Lab({ env: { TOKEN: "one" } });
  await fallen(lab);
  const before = await inputNow(lab);
  await changed(lab);
  expect(makesNew(before, await inputNow(lab))).toBe(true);
});

test.each<readonly [string, (lab: Lab) => Promise<void> | void]>([
  ["another look", () => undefined],
  ["a later one", (lab) => lab.time.advance(3_600_000)],
  ["an edit that is about others", (lab) => lab.write(fleetOf({}, { agents: { a: {}, b: {} } }))],
  ["an image that nobody can ask about", (lab) => lab.world.inject(cannotResolve)],
  ["a secret that cannot be read", (lab) => void delete lab.env["TOKEN"]],
  ["what was made again", async (lab) => void (await lab.apply())],
])("%s is none", async (_, changed) => {
  await using lab = new Lab({ env: { TOKEN: "one" } });
  await fallen(lab);
  const before = await inputNow(lab);
  await changed(lab);
  const after = await inputNow(lab);
  expect(makesNew(before, after)).toBe(false);
  expect(makesNew(after, before)).toBe(false);
});

test("a removal is another end than any spec", async () => {
  await using lab = new Lab({ env: { TOKEN: "one" } });
  await lab.write(fleetOf({}));
  await lab.apply();
  const before = await inputNow(lab);
  await lab.write(fleetOf({}, { agents: { b: {} } }));
  expect(await inputNow(lab)).toEqual({ wish: "none remove" });
  expect(makesNew(before, await inputNow(lab))).toBe(true);
});
