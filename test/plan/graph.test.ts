import { describe, expect, it } from "vitest";
import type { DriverModule } from "../../src/drivers/driver.ts";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import { planSchema } from "../../src/model/plan.ts";
import type { ImageFact } from "../../src/observe/images.ts";
import { BUILT_IN } from "../../src/resolve/defaults.ts";
import type { Found } from "../support/runtimes.ts";
import { DAY, NOW, OWNER, STRANGER, found, memory, seen, wish } from "../support/runtimes.ts";
import type { World } from "./planned.ts";
import { graphText, planned } from "./planned.ts";

const directory = memoryDriver(createWorld({ lifecycle: "directory" }));
/** The memory engine on another machine: workspaces are volumes there. */
const remote: DriverModule = { ...memory, provider: () => "volume" };

const plain = wish();
const rich = wish({
  module: remote,
  settings: {
    setup: ["npm ci"],
    options: { image: "img:a" },
    ready: { command: ["true"], timeout: 1, interval: 1 },
  },
});
const lacking: ImageFact = {
  backend: "memory",
  host: "local",
  ref: "img:a",
  policy: "missing",
  state: { status: "absent" },
};
const READY = { command: ["true"], timeout: 1, interval: 1 };
const inDirectory = wish({ module: directory, settings: { setup: ["npm ci"] } });

const slot = (suffix: string, owner = OWNER, more: Found = {}): ReturnType<typeof found> =>
  found(plain, {
    object_id: `object${suffix}`,
    name: plain.name + suffix,
    ...more,
    labels: { owner, candidate_until: NOW - 1, ...more.labels },
  });

const kept = wish({ settings: { salvage: { ...BUILT_IN.salvage, when: "always" } } });
const drifted: Found = { fields: { env: { A: "changed" } } };
const mark = { address: plain.address, since: 0, reason: "idle for 25h" };

const CASES: Readonly<Record<string, World>> = {
  "create-process": { desired: [plain] },
  "create-process-fetch-seed-setup": { desired: [rich], module: remote, images: [lacking] },
  "create-directory": { desired: [inDirectory], module: directory },
  "create-directory-ready": {
    desired: [wish({ module: directory, settings: { ready: READY } })],
    module: directory,
  },
  "wake-dormant": {
    desired: [plain],
    observations: [seen([], { dormant: [mark] })],
    intent: { mode: "apply", wake: [plain.address] },
  },
  "recreate-process": { desired: [plain], observations: [seen([found(plain, drifted)])] },
  "recreate-process-fetch-seed-setup": {
    desired: [rich],
    module: remote,
    images: [lacking],
    observations: [seen([found(rich, drifted)])],
    intent: { mode: "recreate", targets: [rich.address] },
  },
  "replace-process-fetch-seed-setup": {
    desired: [rich],
    module: remote,
    images: [lacking],
    observations: [seen([found(rich, drifted)])],
  },
  "recreate-dormant-seed": {
    desired: [rich],
    module: remote,
    observations: [seen([], { dormant: [mark] })],
    intent: { mode: "recreate", targets: [rich.address] },
  },
  "recreate-directory": {
    desired: [inDirectory],
    module: directory,
    observations: [seen([found(inDirectory)])],
    intent: { mode: "recreate", targets: [inDirectory.address] },
  },
  start: { desired: [plain], observations: [seen([found(plain, { state: "stopped" })])] },
  update: {
    desired: [wish({ settings: { options: { cpus: 2, memory: 64 } } })],
    observations: [
      seen([found(plain, { fields: { "memory.cpus": 1, "memory.memory": 32, "memory.network": "none" } })]),
    ],
  },
  "update-and-start": {
    desired: [wish({ settings: { options: { cpus: 2 } } })],
    observations: [seen([found(plain, { state: "created" })])],
  },
  "remove-orphan-process": {
    desired: [wish({ address: "agent/b" })],
    observations: [seen([found(plain), found(wish({ address: "agent/b" }), { object_id: "object-b" })])],
  },
  "remove-orphan-stopped": {
    desired: [],
    observations: [seen([found(plain, { state: "stopped" })])],
    guards: { max_destroy: "off", allow_empty: true },
  },
  "remove-orphan-directory": {
    module: directory,
    observations: [seen([found(inDirectory)])],
    guards: { max_destroy: "off", allow_empty: true },
  },
  destroy: {
    desired: [plain],
    observations: [seen([found(plain)])],
    intent: { mode: "destroy", unprotect: false },
  },
  "destroy-keeper": {
    desired: [plain],
    observations: [seen([found(plain, { main: "keeper" })])],
    intent: { mode: "destroy", unprotect: false },
  },
  "destroy-keeper-salvage": {
    desired: [kept],
    observations: [seen([found(kept, { main: "keeper" })])],
    intent: { mode: "destroy", unprotect: false },
  },
  "destroy-dormant": {
    desired: [plain],
    observations: [seen([], { dormant: [mark] })],
    intent: { mode: "destroy", unprotect: false },
  },
  "destroy-leftover": {
    desired: [plain],
    observations: [seen([slot(".old")])],
    intent: { mode: "destroy", unprotect: false },
  },
  "prune-idle": {
    desired: [plain],
    observations: [seen([found(plain)])],
    facts: { activity: { [plain.address]: NOW - 3 * DAY }, sightings: {} },
    now: NOW + 3 * DAY,
  },
  "adopt-stray": { desired: [plain], observations: [seen([found(plain, { name: "renamed-by-hand" })])] },
  "repair-drop-candidate": { desired: [plain], observations: [seen([slot(""), slot(".new")])] },
  "repair-drop-candidate-and-create": { desired: [plain], observations: [seen([slot(".new")])] },
  "repair-finish-replacement": { desired: [plain], observations: [seen([slot(".new"), slot(".old")])] },
  "repair-remove-old": { desired: [plain], observations: [seen([slot(""), slot(".old")])] },
  "repair-old-comes-back": {
    desired: [plain],
    observations: [seen([slot(".old", OWNER, { state: "stopped" })])],
  },
  "repair-clear-mark": { desired: [plain], observations: [seen([found(plain)], { dormant: [mark] })] },
  "wait-for-another": {
    desired: [plain],
    observations: [seen([slot(""), slot(".new", STRANGER, { labels: { candidate_until: NOW + 1 } })])],
  },
  "expired-canary": {
    observations: [seen([slot("-canary", OWNER, { labels: { role: "canary", expires_at: NOW - 1 } })])],
  },
  "creates-before-removes": {
    desired: [wish({ address: "agent/z" })],
    observations: [seen([found(plain)])],
  },
};

describe.each(Object.entries(CASES))("%s", (name, world) => {
  const plan = planned(world);

  it("has this graph", async () => {
    const names = { [plain.name]: "NAME", [wish({ address: "agent/z" }).name]: "NAME-Z" };
    await expect(graphText(plan, names)).toMatchFileSnapshot(`golden/${name}.txt`);
  });

  it("fits the schema, and its graph is sound", () => {
    expect(planSchema.parse(structuredClone(plan))).toEqual(plan);
    const ids = plan.graph.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(plan.graph.map((each) => each.idempotency_key)).size).toBe(ids.length);
    for (const [index, node] of plan.graph.entries()) {
      for (const id of node.depends_on)
        expect(ids.indexOf(id), `${node.id} waits for ${id}`).toBeLessThan(index);
      for (const id of node.depends_on) expect(ids).toContain(id);
      for (const id of node.on_failure)
        expect(plan.graph.find((each) => each.id === id)).toMatchObject({ compensates: true });
      if ("spec_key" in node) expect(plan.specs).toHaveProperty(node.spec_key);
    }
    const named = new Set(plan.graph.flatMap((each) => each.on_failure));
    for (const node of plan.graph) if (node.compensates) expect(named).toContain(node.id);
    const acting = plan.changes.some(({ actions }) => actions[0] !== "no-op");
    expect(plan.graph.length > 0).toBe(acting);
  });
});

describe("a stop", () => {
  const stopOf = (stop_timeout?: number | "off") => {
    const desired = [wish({ settings: { options: stop_timeout === undefined ? {} : { stop_timeout } } })];
    const intent = { mode: "destroy", unprotect: false } as const;
    const plan = planned({ desired, observations: [seen([found(plain)])], intent });
    return plan.graph.find(({ op }) => op === "stop");
  };

  it.each([
    [1_500, { grace_s: 2, timeout_s: 660 }],
    ["off", { grace_s: 0, timeout_s: 660 }],
    [3_600_000, { grace_s: 3_600, timeout_s: 3_660 }],
  ] as const)("is as patient as the settings are now: %s", (given, told) => {
    expect(stopOf(given)).toMatchObject(told);
  });

  it("goes by what the runtime was made with where they say nothing", () => {
    expect(stopOf()).toMatchObject({ timeout_s: 660 });
    expect(stopOf()).not.toHaveProperty("grace_s");
  });
});

describe("timeouts", () => {
  const patient = (address: `agent/${string}`, timeouts: { fetch: number; seed: number; setup: number }) =>
    wish({ address, module: remote, settings: { setup: ["npm ci"], options: { image: "img:a" }, timeouts } });
  const first = patient("agent/a", { fetch: 3_600_000, seed: 1_500, setup: 7_200_000 });
  const second = patient("agent/b", { fetch: 60_000, seed: 2_000, setup: 1_000 });

  it("are what the config says, and of those who wait for one image the most patient decides", () => {
    const { graph } = planned({ desired: [first, second], module: remote, images: [lacking] });
    const given = graph
      .filter(({ op }) => op === "fetch" || op === "seed" || op === "setup")
      .map(({ op, address, timeout_s }) => `${op} ${address} ${timeout_s}`);
    expect(given.toSorted()).toEqual([
      "fetch  3600",
      "seed agent/a 2",
      "seed agent/b 2",
      "setup agent/a 7200",
      "setup agent/b 1",
    ]);
  });
});
