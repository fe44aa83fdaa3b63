import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Blow } from "../../support/fault-proxy.ts";
import { BLOWS } from "../../support/fault-proxy.ts";
import { describeWithServices } from "../../support/services.ts";
import { BuiltCli, disposeAll } from "./built-cli.ts";
import type { Flow } from "./flows.ts";
import { FLOWS } from "./flows.ts";
import type { Case } from "./matrix.ts";
import { callsOf, casesOf, strike, titleOf } from "./matrix.ts";
import { PrivateEngine } from "./private-engine.ts";
import { Site } from "./site.ts";

// The built CLI between an engine and a proxy that strikes: `npm run test:crash` runs every case, CI a seeded slice of
// about a minute. SANDKEEP_CRASH_SEED repeats a slice, SANDKEEP_CRASH_ONLY narrows to the titles that hold its text.

const ALL = process.env["SANDKEEP_CRASH"] === "all";
const ONLY = process.env["SANDKEEP_CRASH_ONLY"] ?? "";
const SEED = Number(process.env["SANDKEEP_CRASH_SEED"] ?? randomInt(2 ** 31));
const SLICE_MS = 50_000;
const AT_LEAST = 12;
const LANES = 2;
const HOURS_MS = 4 * 3_600_000;

interface Tally {
  cases: number;
  converged: number;
  milliseconds: number;
}

/** A small generator of our own, so that a seed gives the same order everywhere. */
function shuffled<T>(values: readonly T[], seed: number): T[] {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return values
    .map((value) => ({ value, order: next() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ value }) => value);
}

const tallies = new Map<string, Tally>();
let missed = 0;

/** Takes cases until there is none, on a site of its own, and a new one after each failure; answers what failed. */
async function lane(cli: BuiltCli, engine: PrivateEngine, take: () => Case | undefined): Promise<string[]> {
  const failures: string[] = [];
  let site = await Site.open(cli, engine);
  try {
    for (let each = take(); each !== undefined; each = take()) {
      const tally = tallyOf(each);
      const began = performance.now();
      tally.cases += 1;
      try {
        const { struck } = await strike(each, site);
        if (!struck) missed += 1;
        tally.converged += 1;
      } catch (thrown) {
        failures.push(`${titleOf(each)}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
        await site[Symbol.asyncDispose]();
        site = await Site.open(cli, engine);
      }
      tally.milliseconds += performance.now() - began;
    }
  } finally {
    await site[Symbol.asyncDispose]();
  }
  return failures;
}

async function expectConverged(
  cli: BuiltCli,
  engine: PrivateEngine,
  take: () => Case | undefined,
): Promise<void> {
  const failures = await Promise.all(Array.from({ length: LANES }, () => lane(cli, engine, take)));
  expect(failures.flat()).toEqual([]);
  expect(await engine.docker.listContainers({ all: true })).toEqual([]);
  expect((await engine.docker.listVolumes()).Volumes ?? []).toEqual([]);
}

describeWithServices("whatever befalls one call to the engine", () => {
  let cli: BuiltCli;
  let engine: PrivateEngine;
  let total = 0;
  const started = performance.now();

  const casesFor = async (flow: Flow): Promise<Case[]> => {
    await using site = await Site.open(cli, engine);
    const cases = casesOf(flow, await callsOf(flow, site));
    total += cases.length;
    return cases.filter((each) => titleOf(each).includes(ONLY));
  };

  beforeAll(async () => {
    [cli, engine] = await Promise.all([BuiltCli.copy(), PrivateEngine.open()]);
  });
  afterAll(async () => {
    print(total, performance.now() - started);
    await disposeAll(engine, cli);
  });

  if (ALL) {
    test.each(FLOWS)("$name is put right by the next apply", { timeout: HOURS_MS }, async (flow) => {
      const cases = await casesFor(flow);
      await expectConverged(cli, engine, () => cases.shift());
    });
    return;
  }

  test(`the next apply puts it right (seed ${SEED})`, { timeout: 240_000 }, async () => {
    const all: Case[] = [];
    for (const flow of FLOWS) all.push(...(await casesFor(flow)));
    const cases = shuffled(all, SEED);
    const end = performance.now() + SLICE_MS;
    let taken = 0;
    await expectConverged(cli, engine, () => {
      taken += 1;
      return taken > AT_LEAST && performance.now() > end ? undefined : cases.shift();
    });
  });
});

function tallyOf({ flow, blow }: Case): Tally {
  const key = `${flow.name} ${blow}`;
  const tally = tallies.get(key) ?? { cases: 0, converged: 0, milliseconds: 0 };
  tallies.set(key, tally);
  return tally;
}

function print(total: number, milliseconds: number): void {
  const cell = (flow: string, blow: Blow): string => {
    const tally = tallies.get(`${flow} ${blow}`);
    return tally === undefined ? "-" : `${tally.converged}/${tally.cases} ${seconds(tally.milliseconds)}`;
  };
  const lines = [
    ["converged/cases", ...BLOWS],
    ...FLOWS.map(({ name }) => [name, ...BLOWS.map((blow) => cell(name, blow))]),
  ].map((row) =>
    row
      .map((text) => text.padEnd(16))
      .join("")
      .trimEnd(),
  );
  const sum = (pick: (tally: Tally) => number): number =>
    [...tallies.values()].map(pick).reduce((a, b) => a + b, 0);
  lines.push(
    `${sum(({ converged }) => converged)} of ${sum(({ cases }) => cases)} cases converged, of a matrix of ${total}; ` +
      `in ${missed} the call did not come; ${seconds(milliseconds)}${ALL ? "" : `, seed ${SEED}`}`,
  );
  process.stdout.write(`\n${lines.join("\n")}\n`);
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 1000)} s`;
}
