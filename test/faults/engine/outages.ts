// What an apply lives on goes away under it: the engine restarts, or the disk of the state directory is full.
import { execFile } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Ran } from "./built-cli.ts";
import { APPLY } from "./flows.ts";
import type { PrivateEngine } from "./private-engine.ts";
import type { Site } from "./site.ts";

const exec = promisify(execFile);
const SAVED = [0, 1, 4, 5, 69];
const SMALL = "size=256k,mode=0700";

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

/** One case; it needs the engine, and for a full disk a state directory, for itself. */
export interface Outage {
  readonly row: (typeof OUTAGE_ROWS)[number];
  readonly title: string;
  readonly run: (site: Site, engine: PrivateEngine) => Promise<void>;
}

export const OUTAGE_ROWS = ["engine killed", "engine restarted", "disk full"] as const;

export const OUTAGES: readonly Outage[] = [
  ...MOMENTS.map((moment) => restart("engine killed", "SIGKILL", moment)),
  ...MOMENTS.map((moment) => restart("engine restarted", "SIGTERM", moment)),
  { row: "disk full", title: "a full disk from the start", run: fullFromTheStart },
  ...MOMENTS.map((moment): Outage => ({
    row: "disk full",
    title: `a full disk from ${moment.kind} #${moment.nth} on`,
    run: (site) => onSmallDisk(site, (disk) => fullFrom(moment, site, disk)),
  })),
];

function restart(row: Outage["row"], signal: "SIGTERM" | "SIGKILL", moment: Moment): Outage {
  return {
    row,
    title: `${row} at ${moment.kind} #${moment.nth}`,
    run: async (site, engine) => {
      await site.configure({ round: site.settings.round + 1 });
      const ran = await applyAnd(site, moment, () => engine.restart(signal));
      expectCode(ran, SAVED);
      await site.reviveBystanders();
      await expectConverged(site);
    },
  };
}

/** Runs `happen` as the call of that moment comes in; tells how the apply ended. */
async function applyAnd(site: Site, moment: Moment, happen: () => Promise<void>): Promise<Ran> {
  let happened: Promise<void> | undefined;
  site.proxy.arm();
  site.proxy.onCall = (call) => {
    if (call.kind === moment.kind && call.nth === moment.nth) happened ??= happen();
  };
  const ran = await site.run(...APPLY);
  site.proxy.onCall = () => undefined;
  if (happened === undefined) throw new Error(`${moment.kind} did not come: ${ran.stdout}${ran.stderr}`);
  await happened;
  return ran;
}

async function expectConverged(site: Site): Promise<void> {
  await site.ok(...APPLY);
  await site.expect("running");
  await site.ok("plan", "--detailed-exitcode");
}

function expectCode({ code, stdout, stderr }: Ran, codes: readonly number[]): void {
  if (code === null || !codes.includes(code))
    throw new Error(`it exited with ${code}:\n${stdout}\n${stderr}`);
}

/** What fills the disk of the state directory, and lets it be empty again. */
interface Disk {
  readonly fill: () => Promise<void>;
  readonly free: () => void;
}

async function onSmallDisk(site: Site, work: (disk: Disk) => Promise<void>): Promise<void> {
  await exec("mount", ["-t", "tmpfs", "-o", SMALL, "tmpfs", site.state]);
  const filler = join(site.state, "filler");
  try {
    await site.ok(...APPLY);
    await work({ fill: () => fill(filler), free: () => rmSync(filler, { force: true }) });
  } finally {
    await exec("umount", [site.state]);
  }
}

async function fill(path: string): Promise<void> {
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (thrown) {
    if (!(thrown instanceof Error) || !thrown.message.includes("ENOSPC")) throw thrown;
  } finally {
    closeSync(file);
  }
}

/** It says so, and touches nothing. */
async function fullFromTheStart(site: Site): Promise<void> {
  await onSmallDisk(site, async (disk) => {
    await site.expect("running");
    await site.configure({ round: site.settings.round + 1 });
    await disk.fill();
    site.proxy.arm();
    const ran = await site.run(...APPLY).finally(() => disk.free());
    expectCode(ran, [1]);
    if (!/ENOSPC|no space left/i.test(ran.stderr)) throw new Error(`it does not say so: ${ran.stderr}`);
    const writes = site.proxy.calls.filter((call) => call.writes);
    if (writes.length > 0) throw new Error(`it wrote to the engine: ${JSON.stringify(writes)}`);
    await expectConverged(site);
  });
}

async function fullFrom(moment: Moment, site: Site, disk: Disk): Promise<void> {
  await site.configure({ round: site.settings.round + 1 });
  const ran = await applyAnd(site, moment, () => disk.fill()).finally(() => disk.free());
  expectCode(ran, [0, 1, 5]);
  await expectConverged(site);
}
