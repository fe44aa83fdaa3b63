import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Blow } from "../../support/fault-proxy.ts";
import { BLOWS } from "../../support/fault-proxy.ts";
import { describeWithServices } from "../../support/services.ts";
import { BuiltCli } from "./built-cli.ts";
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
const SLICE_MS = 60_000;
const AT_LEAST = 12;
const LANES = 2;

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

describeWithServices("whatever befalls one call to the engine", () => {
  let cli: BuiltCli;
  let engine: PrivateEngine;

  beforeAll(async () => {
    [cli, engine] = await Promise.all([BuiltCli.copy(), PrivateEngine.open()]);
  });
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await cli?.[Symbol.asyncDispose]();
  });

  test(
    ALL ? "the next apply puts it right" : `the next apply puts it right (seed ${SEED})`,
    async () => {
      const started = performance.now();
      const cases = await allCases(cli, engine);
      const wanted = cases.filter((each) => titleOf(each).includes(ONLY));
      const queue = ALL ? wanted : shuffled(wanted, SEED);
      const tallies = new Map<string, Tally>();
      const failures: string[] = [];
      let next = 0;
      let missed = 0;
      const more = (): Case | undefined => {
        const late = performance.now() - started > SLICE_MS;
        return !ALL && late && next >= AT_LEAST ? undefined : queue[next++];
      };
      const lane = async (): Promise<void> => {
        let site = await Site.open(cli, engine);
        try {
          for (let each = more(); each !== undefined; each = more()) {
            const tally = tallyOf(tallies, each);
            const began = performance.now();
            tally.cases += 1;
            try {
              const { struck } = await strike(each, site);
              if (!struck) missed += 1;
              tally.converged += 1;
            } catch (thrown) {
              const failure = `${titleOf(each)}: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
              failures.push(failure);
              process.stdout.write(`FAILED ${failure}\n`);
              await site[Symbol.asyncDispose]();
              site = await Site.open(cli, engine);
            }
            tally.milliseconds += performance.now() - began;
          }
        } finally {
          await site[Symbol.asyncDispose]();
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      print(tallies, { of: cases.length, missed, milliseconds: performance.now() - started });
      expect(failures).toEqual([]);
      expect(await engine.docker.listContainers({ all: true })).toEqual([]);
      expect((await engine.docker.listVolumes()).Volumes ?? []).toEqual([]);
    },
    ALL ? 4 * 3_600_000 : 240_000,
  );
});

async function allCases(cli: BuiltCli, engine: PrivateEngine): Promise<Case[]> {
  await using site = await Site.open(cli, engine);
  const found: Case[] = [];
  for (const flow of FLOWS) found.push(...casesOf(flow, await callsOf(flow, site)));
  return found;
}

function tallyOf(tallies: Map<string, Tally>, { flow, blow }: Case): Tally {
  const key = `${flow.name} ${blow}`;
  const tally = tallies.get(key) ?? { cases: 0, converged: 0, milliseconds: 0 };
  tallies.set(key, tally);
  return tally;
}

interface Run {
  readonly of: number;
  readonly missed: number;
  readonly milliseconds: number;
}

function print(tallies: ReadonlyMap<string, Tally>, run: Run): void {
  const cell = (flow: string, blow: Blow): string => {
    const tally = tallies.get(`${flow} ${blow}`);
    return tally === undefined
      ? "-"
      : `${tally.converged}/${tally.cases} ${(tally.milliseconds / 1000).toFixed(0)}s`;
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
  const total = sum(({ cases }) => cases);
  lines.push(
    `${sum(({ converged }) => converged)} of ${total} converged, out of a matrix of ${run.of}; ${run.missed} found their call not made; ` +
      `${(run.milliseconds / 1000).toFixed(0)} s${ALL ? "" : `, seed ${SEED}`}`,
  );
  process.stdout.write(`\n${lines.join("\n")}\n`);
}
