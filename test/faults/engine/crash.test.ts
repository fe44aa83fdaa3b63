import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { importNodeImage } from "../../support/egress-world.ts";
import type { EngineCall } from "../../support/fault-proxy.ts";
import { BLOWS } from "../../support/fault-proxy.ts";
import { TestRegistry } from "../../support/registry.ts";
import { describeWithServices } from "../../support/services.ts";
import { BuiltCli, disposeAll } from "./built-cli.ts";
import { FLOWS } from "./flows.ts";
import type { Case } from "./matrix.ts";
import { callsOf, casesOf, strike, titleOf } from "./matrix.ts";
import type { Outage } from "./outages.ts";
import { OUTAGE_ROWS, OUTAGES } from "./outages.ts";
import { PrivateEngine } from "./private-engine.ts";
import { selected, selectionOf } from "./selection.ts";
import { Site } from "./site.ts";
import { Tally } from "./tally.ts";

// The built CLI between an engine and a proxy that strikes. `npm run test:crash` runs every case, CI a slice of about a minute.
// SANDKEEP_CRASH: `all`, a number of cases, a shard `i/n`, or `from-to`, so that a long run can be shared out or go on.
// SANDKEEP_CRASH_SEED: the order, a number or `random`. SANDKEEP_CRASH_ONLY: titles that hold one of its texts, with | between.

const SELECTION = selectionOf(process.env["SANDKEEP_CRASH"]);
const ONLY = (process.env["SANDKEEP_CRASH_ONLY"] ?? "").split("|");
const isWanted = (title: string): boolean => ONLY.some((text) => title.includes(text));
const ORDER = process.env["SANDKEEP_CRASH_SEED"] ?? "1";
const SEED = ORDER === "random" ? randomInt(2 ** 31) : Number(ORDER);
const CI = SELECTION.kind === "slice";
const SLICE_MS = 20_000;
const AT_LEAST = 8;
/** Of the outages the slice has one of each of these: a restart takes seconds. */
const SLICE_OUTAGES: readonly string[] = ["engine killed", "disk full"];
/** Most of a case is waiting, for the engine and for processes to start. */
const LANES = CI ? 2 : 4;
const LIMIT_MS = CI ? 600_000 : 6 * 3_600_000;

/** Column of what befalls not one call but what all live on. */
const OUTAGE = "outage";
const tally = new Tally([...BLOWS, OUTAGE]);

/** Takes cases until there is none, with a new site after each failure; answers what failed. */
async function lane(
  first: Site,
  renew: () => Promise<Site>,
  take: () => Case | undefined,
): Promise<string[]> {
  const failures: string[] = [];
  let site = first;
  try {
    for (let each = take(); each !== undefined; each = take()) {
      const now = each;
      const failed = await tally.count(now.flow.name, now.blow, titleOf(now), async () => {
        const { struck } = await strike(now, site);
        if (!struck) tally.missed += 1;
      });
      failures.push(...failed);
      if (failed.length === 0) continue;
      await site[Symbol.asyncDispose]();
      // On a machine that is much too busy also this may fail; the cases after it are no less worth a try.
      site = await renew().catch(() => renew());
    }
  } finally {
    await site[Symbol.asyncDispose]();
  }
  return failures;
}

/** All there are, from flows that the sites share out among themselves. */
async function everyCase(sites: readonly Site[]): Promise<Case[]> {
  const calls = new Map<string, readonly EngineCall[]>();
  const left = [...FLOWS];
  const recordAll = async (site: Site): Promise<void> => {
    for (let flow = left.shift(); flow !== undefined; flow = left.shift()) {
      calls.set(flow.name, await callsOf(flow, site));
    }
  };
  await Promise.all(sites.map((site) => recordAll(site)));
  return FLOWS.flatMap((flow) => casesOf(flow, calls.get(flow.name) ?? []));
}

describeWithServices(`whatever befalls one call to the engine (seed ${SEED})`, () => {
  let cli: BuiltCli;
  let engine: PrivateEngine;
  let registry: TestRegistry;

  beforeAll(async () => {
    [cli, engine] = await Promise.all([BuiltCli.copy(), PrivateEngine.open()]);
    const endpoint = `unix://${engine.socket}`;
    [registry] = await Promise.all([TestRegistry.open(endpoint), importNodeImage(endpoint)]);
  }, 300_000);
  afterAll(async () => {
    tally.print([...FLOWS.map(({ name }) => name), ...OUTAGE_ROWS], `, seed ${SEED}`);
    await disposeAll(registry, engine, cli);
  });

  test("the next apply puts it right", { timeout: LIMIT_MS }, async () => {
    const open = (): Promise<Site> => Site.open({ cli, engine, registry });
    const sites = await Promise.all(Array.from({ length: LANES }, open));
    const all = await everyCase(sites);
    tally.size = all.length + OUTAGES.length;
    const wanted = all.filter((each) => isWanted(titleOf(each)));
    const cases = selected(wanted, SELECTION, SEED);
    if (!CI) tally.taken = cases.length + outages().length;
    const end = performance.now() + SLICE_MS;
    let taken = 0;
    const take = (): Case | undefined => {
      taken += 1;
      return CI && taken > AT_LEAST && performance.now() > end ? undefined : cases.shift();
    };
    const failures = await Promise.all(sites.map((site) => lane(site, open, take)));
    expect(failures.flat()).toEqual([]);
    await expectNothingLeft();
    // Some calls do not come each time; blows that mostly hit nobody would prove nothing.
    expect(tally.missed).toBeLessThanOrEqual(Math.max(3, Math.ceil(taken / 20)));
  });

  test(
    "an engine that goes down, or a disk that is full, is put right as well",
    { timeout: LIMIT_MS },
    async () => {
      const failures: string[] = [];
      for (const { row, title, run } of outages()) {
        await using site = await Site.open({ cli, engine, registry });
        failures.push(...(await tally.count(row, OUTAGE, title, () => run(site, engine))));
      }
      expect(failures).toEqual([]);
      await expectNothingLeft();
    },
  );

  function outages(): Outage[] {
    const wanted = selected(
      OUTAGES.filter(({ title }) => isWanted(title)),
      SELECTION,
      SEED,
    );
    if (!CI) return wanted;
    return SLICE_OUTAGES.flatMap((row) => wanted.filter((each) => each.row === row).slice(0, 1));
  }

  async function expectNothingLeft(): Promise<void> {
    expect(await engine.docker.listContainers({ all: true })).toEqual([]);
    expect((await engine.docker.listVolumes()).Volumes ?? []).toEqual([]);
  }
});
