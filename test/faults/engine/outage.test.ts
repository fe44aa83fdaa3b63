import { execFile } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWithServices } from "../../support/services.ts";
import type { Ran } from "./built-cli.ts";
import { BuiltCli, disposeAll } from "./built-cli.ts";
import { APPLY } from "./flows.ts";
import { PrivateEngine } from "./private-engine.ts";
import { Site } from "./site.ts";

// What an apply lives on goes away under it: the engine restarts, or the disk of the state directory is full.

const exec = promisify(execFile);
const SLOW_MS = 120_000;

interface Moment {
  readonly kind: string;
  readonly nth: number;
}

/** The moments of a replacement between which it matters what was done already. */
const MOMENTS: readonly Moment[] = [
  { kind: "POST /containers/create", nth: 1 },
  { kind: "POST /containers/{}/stop", nth: 1 },
  { kind: "POST /containers/{}/start", nth: 1 },
  { kind: "POST /containers/{}/rename", nth: 1 },
  { kind: "POST /containers/{}/rename", nth: 2 },
  { kind: "DELETE /containers/{}", nth: 1 },
];

/** A restart takes seconds: without SANDKEEP_CRASH=all the engine goes down at one moment of each kind. */
const CRASHES = process.env["SANDKEEP_CRASH"] === "all" ? MOMENTS : MOMENTS.slice(2, 3);

/** Runs `happen` as the call of that moment comes in; tells how the apply ended. */
async function applyAnd(site: Site, moment: Moment, happen: () => Promise<void>): Promise<Ran> {
  let happened: Promise<void> | undefined;
  site.proxy.arm();
  site.proxy.onCall = (call) => {
    if (call.kind === moment.kind && call.nth === moment.nth) happened ??= happen();
  };
  const ran = await site.run(...APPLY);
  site.proxy.onCall = () => undefined;
  expect(happened, `${moment.kind} did not come: ${ran.stdout}${ran.stderr}`).toBeDefined();
  await happened;
  return ran;
}

async function expectConverged(site: Site): Promise<void> {
  await site.ok(...APPLY);
  await site.expect("running");
  await site.ok("plan", "--detailed-exitcode");
  site.proxy.arm();
  await site.ok(...APPLY);
  expect(site.proxy.calls.filter(({ writes }) => writes)).toEqual([]);
}

describeWithServices("an apply that is under way", () => {
  let cli: BuiltCli;
  let engine: PrivateEngine;
  let site: Site;

  beforeAll(async () => {
    [cli, engine] = await Promise.all([BuiltCli.copy(), PrivateEngine.open()]);
    site = await Site.open(cli, engine);
  });
  afterAll(async () => {
    await disposeAll(site, engine, cli);
  });

  test.each(CRASHES)(
    "survives an engine that crashes at $kind #$nth",
    { timeout: SLOW_MS },
    async (moment) => {
      await site.configure({ round: site.settings.round + 1 });
      const ran = await applyAnd(site, moment, () => engine.restart("SIGKILL"));
      expect([0, 1, 4, 5, 69], `${ran.stdout}${ran.stderr}`).toContain(ran.code);
      await site.reviveBystanders();
      await expectConverged(site);
    },
  );

  test("survives an engine that is shut down and started again", { timeout: SLOW_MS }, async () => {
    await site.configure({ round: site.settings.round + 1 });
    const start = { kind: "POST /containers/{}/start", nth: 1 };
    const ran = await applyAnd(site, start, () => engine.restart("SIGTERM"));
    expect([0, 1, 4, 5, 69], `${ran.stdout}${ran.stderr}`).toContain(ran.code);
    await site.reviveBystanders();
    await expectConverged(site);
  });
});

describeWithServices("a state directory on a full disk", () => {
  let cli: BuiltCli;
  let engine: PrivateEngine;
  let site: Site;

  beforeAll(async () => {
    [cli, engine] = await Promise.all([BuiltCli.copy(), PrivateEngine.open()]);
    site = await Site.open(cli, engine);
    await exec("mount", ["-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", site.state]);
    await site.ok(...APPLY);
  });
  afterAll(async () => {
    if (site !== undefined) await exec("umount", [site.state]);
    await disposeAll(site, engine, cli);
  });

  const filler = (): string => join(site.state, "filler");
  const fill = async (): Promise<void> => {
    const file = openSync(filler(), "w");
    try {
      for (;;) writeSync(file, Buffer.alloc(4096));
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: "ENOSPC" });
    } finally {
      closeSync(file);
    }
  };

  test("from the start: says so, and touches nothing", async () => {
    await site.expect("running");
    await site.configure({ round: site.settings.round + 1 });
    await fill();
    site.proxy.arm();
    const ran = await site.run(...APPLY).finally(() => rmSync(filler()));
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringMatching(/ENOSPC|no space left/i) });
    expect(site.proxy.calls.filter(({ writes }) => writes)).toEqual([]);
    await expectConverged(site);
  });

  test.each(MOMENTS)("from $kind #$nth on: the next apply puts it right", async (moment) => {
    await site.configure({ round: site.settings.round + 1 });
    const ran = await applyAnd(site, moment, fill).finally(() => rmSync(filler(), { force: true }));
    expect([0, 1, 5], `${ran.stdout}${ran.stderr}`).toContain(ran.code);
    await expectConverged(site);
  });
});
