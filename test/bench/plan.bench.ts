import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadConfig } from "../../src/config/index.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import { decideAll, planFrom } from "../../src/plan/decide.ts";
import type { Engine } from "../../src/plan/engine.ts";
import { fleetOf, survey } from "../../src/plan/survey.ts";
import { reconcile } from "../../src/reconcile.ts";
import { realWait } from "../../src/util/wait.ts";
import { median } from "./timing.ts";

/** Goals, as ratios or per agent: what the numbers are held against, on this class of machine. */
const LINEAR = 1.3;
const MICROSECONDS_AN_AGENT = 150;
const MEBIBYTES = 300;
const SIZES = [1_000, 10_000] as const;
const ROUNDS = 5;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-bench-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** Every tenth agent differs from the fleet, as in a real one. */
function fleetText(size: number): string {
  const agents = Array.from({ length: size }, (_, index) => {
    const own = index % 10 === 0 ? `[agents.a${index}.sandbox.env]\nSHARD = "${index % 70}"\n` : "";
    return `[agents.a${index}]\n${own}`;
  });
  return `version = 1\nfleet = "bench"\nfleet_id = "bench1"\n[sandbox]\nbackend = "memory"\n${agents.join("")}`;
}

interface Measured {
  readonly size: number;
  /** Median CPU microseconds an agent of resolve → desire → diff → plan. */
  readonly perAgent: number;
  /** Median wall seconds of the whole `plan`, config loading included. */
  readonly wholeSeconds: number;
  /** Live heap that one plan holds: config, survey and plan document, garbage collected. */
  readonly heapMiB: number;
  readonly changes: number;
}

async function measure(size: number): Promise<Measured> {
  const file = join(folder, `fleet-${size}.toml`);
  await writeFile(file, fleetText(size));
  const world = createWorld({ lifecycle: "directory", uptime: 5_000 });
  const module = memoryDriver(world);
  let ids = 0;
  const engine: Engine = {
    drivers: { memory: async () => module },
    stateDir: join(folder, `state-${size}`),
    cwd: folder,
    env: { HOME: folder },
    now: Date.now,
    wait: realWait,
    randomId: () => (ids += 1).toString(16).padStart(16, "0"),
    sink: { notify: () => undefined },
    toolVersion: "bench",
  };
  const request = { intent: { mode: "apply" }, file } as const;
  const made = await reconcile(engine, request, { approve: async () => true });
  if (made.status !== "applied" || made.result.summary.done !== size)
    throw new Error("the fleet was not made");
  const loaded = await loadConfig({ file, cwd: folder, backends: ["memory"] });
  if (!loaded.ok) throw new Error("the config is not valid");
  const idle = liveHeap();
  const cpu: number[] = [];
  const whole: number[] = [];
  let changes = 0;
  let heapMiB = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const wall = performance.now();
    await loadConfig({ file, cwd: folder, backends: ["memory"] });
    const before = process.cpuUsage();
    const config = await fleetOf(engine, request, loaded.loaded);
    if (config?.status !== "loaded") throw new Error("the config is not valid");
    const seen = await survey(engine, { config, wanted: [] });
    if (seen.status !== "surveyed") throw new Error("nothing was surveyed");
    const plan = planFrom(seen, decideAll(seen, request), request, "bench");
    const used = process.cpuUsage(before);
    cpu.push((used.user + used.system) / size);
    whole.push((performance.now() - wall) / 1_000);
    changes = plan.changes.filter((each) => each.actions[0] !== "no-op").length;
    heapMiB = Math.max(heapMiB, liveHeap() - idle);
  }
  return { size, perAgent: median(cpu), wholeSeconds: median(whole), heapMiB, changes };
}

setFlagsFromString("--expose_gc");
const collect: () => void = runInNewContext("gc");

function liveHeap(): number {
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

it("plans fleets in time that grows with their size and no faster", async () => {
  await measure(SIZES[0]); // warms up the compiler, so that the small fleet does not pay for both
  const small = await measure(SIZES[0]);
  const large = await measure(SIZES[1]);
  const ratio = large.perAgent / small.perAgent;
  console.table(
    [small, large].map((each) => ({
      agents: each.size,
      "CPU µs an agent": Math.round(each.perAgent),
      "whole plan s": each.wholeSeconds.toFixed(2),
      "heap MiB": Math.round(each.heapMiB),
    })),
  );
  console.log(
    `per-agent cost at ${large.size} over ${small.size}: ${ratio.toFixed(2)} (goal: at most ${LINEAR})`,
  );
  console.log(`goals: under ${MICROSECONDS_AN_AGENT} µs an agent, under ${MEBIBYTES} MiB`);
  // Timings are told, not judged; that everything is up to date is judged.
  expect([small.changes, large.changes]).toEqual([0, 0]);
});
