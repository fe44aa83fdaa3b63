import { describe, expect, it } from "vitest";
import { awaitHealth } from "../../src/apply/health.ts";
import type { HealthReport } from "../../src/drivers/driver.ts";
import type { MemoryCommand } from "../../src/drivers/memory/exec.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { wish } from "../support/runtimes.ts";
import { Bench } from "./applying.ts";

interface Case {
  /** Answers in turn; the last one stays. */
  readonly script?: readonly Partial<HealthReport>[];
  readonly ready?: JsonObject;
  readonly commands?: Readonly<Record<string, MemoryCommand>>;
}

/** Milliseconds waited, or why it is not healthy. */
async function wait({ script = [{}], ready, commands = {} }: Case): Promise<number | string> {
  const bench = new Bench({ uptime: 0, commands });
  const desired = wish();
  const driver = await bench.open();
  const plan = await bench.plan({ desired: [desired] });
  bench.world.healthScript = () => ({ running_ms: 10_000 });
  await bench.apply(plan);
  const { id } = bench.world.find(desired.name);
  const started = bench.now;
  let nth = 0;
  bench.world.healthScript = () => {
    nth += 1;
    return { running_ms: bench.now - started, ...script[Math.min(nth, script.length) - 1] };
  };
  const values = { ...desired.spec.values, ...(ready === undefined ? {} : { ready }) };
  const clock = {
    elapsed: () => bench.now,
    sleep: async (ms: number) => {
      bench.now += ms;
      await Promise.resolve();
    },
  };
  try {
    await awaitHealth(id, { ...desired.spec, values }, driver, clock, new AbortController().signal);
    return bench.now - started;
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "UNHEALTHY", exitCode: 5 });
    return thrown instanceof Error ? thrown.message : "";
  }
}

const ready = (command: string, more: JsonObject = {}) => ({
  command: [command],
  timeout: 5_000,
  interval: 1_000,
  ...more,
});
const starting = { health: "starting" } as const;

describe("a runtime is ready", () => {
  it.each<[string, Case, number | string]>([
    ["when it has run for two seconds", {}, 2_000],
    ["when what only keeps it open has run for half a second", { script: [{ main: "keeper" }] }, 500],
    ["at once, when that was seen at its work", { script: [{ main: "keeper", settled: true }] }, 0],
    [
      "as soon as that is seen at its work",
      {
        script: [
          { main: "keeper", settled: false },
          { main: "keeper", settled: true },
        ],
      },
      200,
    ],
    ["at once, when nothing runs in it by itself", { script: [{ main: "nothing", running_ms: 0 }] }, 0],
    ["at once, having run that long already", { script: [{ running_ms: 2_000 }] }, 0],
    ["when its own health check says so", { script: [starting, starting, { health: "healthy" }] }, 400],
    [
      "not while its health check starts, however long it runs",
      { script: [{ ...starting, running_ms: 999_999 }] },
      "not ready after 4m",
    ],
    ["when its ready command says so, at once", { ready: ready("true") }, 0],
    ["never, when its ready command fails", { ready: ready("false") }, "not ready after 5s"],
    [
      "never, when its ready command hangs: it is killed when the time is up",
      { ready: { ...ready("sleep", { timeout: 300 }), command: ["sleep", "60000"] } },
      "not ready after 300ms",
    ],
    ["not when it exits", { script: [{}, { state: "exited", exit_code: 3 }] }, "it exited with 3"],
    [
      "not when it exits, with what it last said",
      { script: [{ state: "exited", exit_code: 1, detail: "no config" }] },
      "it exited with 1: no config",
    ],
    ["not when it is gone", { script: [{ state: "missing" }] }, "it disappeared"],
    ["not when it restarts", { script: [{ state: "restarting" }] }, "the engine restarts it again and again"],
    [
      "not when its health check fails",
      { script: [starting, { health: "unhealthy" }] },
      "its health check fails",
    ],
    [
      "not by its ready command alone, when its health check fails",
      { ready: ready("true"), script: [{ health: "unhealthy" }] },
      "its health check fails",
    ],
  ])("%s", async (_title, which, expected) => {
    expect(await wait(which)).toBe(expected);
  });

  it("after as many tries of its ready command as it takes, an interval apart", async () => {
    let tries = 0;
    const slow: MemoryCommand = () => {
      tries += 1;
      return tries < 4 ? 1 : 0;
    };
    expect(await wait({ ready: ready("slow", { interval: 200 }), commands: { slow } })).toBe(600);
    expect(tries).toBe(4);
  });
});
