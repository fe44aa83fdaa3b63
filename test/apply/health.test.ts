import { describe, expect, it } from "vitest";
import { awaitHealth } from "../../src/apply/health.ts";
import type { HealthReport } from "../../src/drivers/driver.ts";
import type { MemoryCommand } from "../../src/drivers/memory/exec.ts";
import { SandkeepError } from "../../src/errors.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { wish } from "../support/runtimes.ts";
import { Bench } from "./applying.ts";

interface Case {
  /** Answers in turn; the last one stays. */
  readonly script?: readonly Partial<HealthReport>[];
  readonly ready?: JsonObject;
  readonly commands?: Readonly<Record<string, MemoryCommand>>;
  readonly inPlace?: boolean;
}

/** Milliseconds waited, or why it is not healthy. */
async function wait(which: Case): Promise<number | string> {
  const ended = await prove(which);
  return ended instanceof SandkeepError ? ended.message : ended;
}

async function prove({
  script = [{}],
  ready,
  commands = {},
  inPlace,
}: Case): Promise<number | SandkeepError> {
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
    const spec = { ...desired.spec, values };
    await awaitHealth(id, spec, driver, clock, new AbortController().signal, { inPlace });
    return bench.now - started;
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "UNHEALTHY", exitCode: 5 });
    if (thrown instanceof SandkeepError) return thrown;
    throw thrown;
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
      "by its ready command alone, whatever its image's health check says",
      { ready: ready("true"), script: [{ health: "unhealthy" }] },
      0,
    ],
    [
      "never, when its ready command fails, whatever its image's health check says",
      { ready: ready("false"), script: [{ health: "healthy" }] },
      "not ready after 5s",
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
    tries = 0;
    const patient = ready("slow", { interval: 10_000, timeout: 60_000 });
    expect(await wait({ ready: patient, commands: { slow } })).toBe(30_000);
    expect(tries).toBe(4);
  });

  it("not when it ends between two tries of its ready command, which is seen long before the next", async () => {
    let tries = 0;
    const no: MemoryCommand = () => {
      tries += 1;
      return 1;
    };
    const script = [{}, {}, { state: "exited", exit_code: 137 }] as const;
    const patient = ready("no", { interval: 10_000, timeout: 60_000 });
    expect(await wait({ ready: patient, commands: { no }, script })).toBe("it exited with 137");
    expect(tries).toBe(1);
  });
});

describe("what was changed in place", () => {
  const old = { running_ms: 999_999 };
  const keeper = { main: "keeper", settled: true } as const;

  it.each<[string, Case, number | string]>([
    ["has to go on for two seconds, however long it has run", { script: [old] }, 2_000],
    ["has to go on for half a second where it is only kept open", { script: [{ ...old, ...keeper }] }, 500],
    ["has to go on before its ready command counts", { script: [old], ready: ready("true") }, 2_000],
    [
      "has all the time of its ready command after that",
      { script: [old], ready: ready("false", { timeout: 1_000 }) },
      "not ready after 1s",
    ],
    ["has to be healthy besides", { script: [{ ...old, health: "healthy" }] }, 2_000],
    [
      "fails where its health check does",
      { script: [{ ...old, health: "healthy" }, { health: "unhealthy" }] },
      "its health check fails",
    ],
    [
      "fails when it is killed for it a moment later",
      { script: [old, old, old, { state: "exited", exit_code: 137 }] },
      "it exited with 137",
    ],
    ["fails when it starts again and again", { script: [{ running_ms: 100 }] }, "it does not keep running"],
  ])("%s", async (_title, which, expected) => {
    expect(await wait({ ...which, inPlace: true })).toBe(expected);
  });
});

describe("a runtime that fails by the health check of its image", () => {
  const hintOf = async (which: Case): Promise<string | undefined> => {
    const ended = await prove(which);
    return ended instanceof SandkeepError ? ended.hint : undefined;
  };
  const sick = { health: "unhealthy" } as const;

  it("is told which key takes its place, and which runs what it may ask for", async () => {
    const asleep =
      "sandbox.ready takes the place of its image's HEALTHCHECK, which may ask for the image's own";
    expect(await hintOf({ script: [{ ...sick, main: "keeper" }] })).toBe(
      `${asleep} program: that runs only as sandbox.memory.command`,
    );
    expect(await hintOf({ script: [{ ...starting, main: "keeper" }] })).toContain(asleep);
    expect(await hintOf({ script: [sick] })).toBe(
      "look at its command and image; sandbox.ready takes the place of its image's HEALTHCHECK",
    );
  });

  it("and one that fails otherwise is not", async () => {
    for (const which of [
      { script: [{ state: "exited" }] },
      { ready: ready("false"), script: [sick] },
    ] as const)
      expect(await hintOf(which)).toBe("look at its command, image and ready settings");
  });
});
