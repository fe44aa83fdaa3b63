import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { discard } from "../../src/apply/streams.ts";
import { findRuns } from "../../src/runs/history.ts";
import { manifestPath, runFolder } from "../../src/runs/layout.ts";
import { LogFile } from "../../src/runs/log-file.ts";
import { recordRun } from "../../src/runs/record.ts";
import { rebuildIndex } from "../../src/runs/rebuild-index.ts";
import { makeRunId } from "../../src/runs/run-id.ts";
import { tee } from "../../src/runs/tee.ts";
import { TimeFile, TimeIndex } from "../../src/runs/time-index.ts";
import { fleetState } from "../../src/state/directory.ts";
import { StreamMask } from "../../src/util/secret-mask.ts";
import { Lab } from "../support/memory-fleet.ts";
import { applied, labRun } from "../runs/ledger.ts";
import { median, timed } from "./timing.ts";

/** Goals: milliseconds a recorded run may cost, share of `cat > file` a log reaches, and what a hundredfold ledger may cost a list. */
const OVERHEAD_MS = 5;
const SHARE_OF_CAT = 0.5;
const LIST_RATIO = 2;
const MAIN = join(import.meta.dirname, "../../dist/src/cli/main.cjs");

let folder = "";
/** Without fsyncs to a disk, where the system has such a place. */
let memory = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-bench-"));
  memory = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "sandkeep-bench-"));
});
afterAll(async () => {
  for (const each of [folder, memory]) await rm(each, { recursive: true, force: true });
});

it("recording costs little: the ledger's own part of a run", async () => {
  await using lab = new Lab();
  await applied(lab);
  const { manifest } = await labRun(lab, ["echo", "x"]);
  const state = fleetState(memory, "overhead");
  const head = { ...manifest, argv: [...manifest.argv] };
  const times: number[] = [];
  for (let round = 0; round < 200; round += 1) {
    const run_id = makeRunId(Date.now(), round.toString(16).padStart(16, "0"));
    const readers = { stdout: discard(), stderr: discard() };
    const elapsed = () => performance.now();
    times.push(
      await timed(async () => {
        const record = await recordRun(state, {
          head: { ...head, run_id },
          secrets: ["hunter2"],
          readers,
          maxLog: 2 ** 28,
          elapsed,
        });
        record.output?.stdout.write("x\n");
        await record.finish({
          exitCode: 0,
          timedOut: false,
          cancelled: false,
          failure: undefined,
          error: null,
        });
      }),
    );
  }
  console.table([{ what: "recorded run", "median ms": median(times).toFixed(2), goal: `< ${OVERHEAD_MS}` }]);
});

const MIB = 512;

async function cat(to: string): Promise<number> {
  return await timed(async () => {
    const source = spawn("head", ["-c", `${MIB}M`, "/dev/zero"], { stdio: ["ignore", "pipe", "ignore"] });
    const sink = spawn("sh", ["-c", 'cat > "$0"', to], { stdio: ["pipe", "ignore", "ignore"] });
    source.stdout.pipe(sink.stdin);
    await once(sink, "close");
  });
}

async function log(to: string, secrets: readonly string[]): Promise<number> {
  return await timed(async () => {
    const times = new TimeFile(`${to}.idx`, () => performance.now());
    const file = new LogFile(to, 2 ** 32, new TimeIndex(times, "stdout"));
    const source = spawn("head", ["-c", `${MIB}M`, "/dev/zero"], { stdio: ["ignore", "pipe", "ignore"] });
    await pipeline(source.stdout, tee(createWriteStream("/dev/null"), file, new StreamMask(secrets)));
    await file[Symbol.asyncDispose]();
    await times[Symbol.asyncDispose]();
    expect(file.told).toMatchObject({ bytes: MIB * 2 ** 20, lost: 0 });
  });
}

it("logs as fast as a program could write a file itself, or half of that", async () => {
  const ways = [
    ["cat > file", () => cat(join(folder, "cat"))],
    ["log", () => log(join(folder, "log"), [])],
    [
      "log with 3 secrets to mask",
      () => log(join(folder, "masked"), ["hunter2", "s3cr3t-value", "k".repeat(40)]),
    ],
  ] as const;
  const rows: { what: string; "MiB/s": number; share: string; goal: string }[] = [];
  let base = 0;
  for (const [what, work] of ways) {
    const rates: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      rates.push((MIB * 1000) / (await work()));
      for (const name of ["cat", "log", "masked"]) await rm(join(folder, name), { force: true });
    }
    const rate = median(rates);
    base = base === 0 ? rate : base;
    rows.push({
      what,
      "MiB/s": Math.round(rate),
      share: (rate / base).toFixed(2),
      goal: `≥ ${SHARE_OF_CAT}`,
    });
  }
  console.table(rows);
});

const SIZES = [500, 50_000] as const;

it("lists the latest of a hundred times as many runs in at most twice the time", async () => {
  await using lab = new Lab();
  await applied(lab);
  const { manifest } = await labRun(lab, ["echo", "x"]);
  const text = await readFile(manifestPath(runFolder(lab.state(), manifest.run_id)), "utf8");
  await writeFile(
    join(folder, "sandkeep.toml"),
    'version = 1\nfleet = "bench"\nfleet_id = "k3v9q2"\n[agents.a]\n',
  );
  const rows: object[] = [];
  const commands: number[] = [];
  const inProcess: number[] = [];
  for (const size of SIZES) {
    const base = join(memory, `state-${size}`);
    const state = fleetState(base, "bench");
    for (let index = 0; index < size; index += 1) {
      const run_id = makeRunId(index * 60_000, index.toString(16).padStart(16, "0"));
      await mkdir(runFolder(state, run_id), { recursive: true });
      await writeFile(manifestPath(runFolder(state, run_id)), text.replaceAll(manifest.run_id, run_id));
    }
    const rebuilt = await timed(() => rebuildIndex(state, 0, () => undefined));
    const latest: number[] = [];
    const failed: number[] = [];
    const cli: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      latest.push(await timed(() => findRuns(state, { now: 0, limit: 20 })));
      failed.push(await timed(() => findRuns(state, { now: 0, limit: 20, status: "failed" })));
      const argv = [MAIN, "runs", "list", "--limit", "20", "--json", "--state-dir", base];
      cli.push(
        await timed(async () => {
          const [code] = await once(spawn(process.execPath, argv, { cwd: folder, stdio: "ignore" }), "close");
          expect(code).toBe(0);
        }),
      );
    }
    commands.push(median(cli));
    inProcess.push(median(latest));
    rows.push({
      runs: size,
      "list --limit 20": `${Math.round(median(cli))} ms`,
      "in process": `${median(latest).toFixed(1)} ms`,
      "all failed": `${median(failed).toFixed(1)} ms`,
      "rebuild-index": `${Math.round(rebuilt)} ms`,
    });
  }
  console.table(rows);
  const ratio = ([few = 1, many = 1]: readonly number[]): string => (many / few).toFixed(2);
  const goal = `≤ ${LIST_RATIO}`;
  console.table([
    { what: "command line", ratio: ratio(commands), goal },
    { what: "in process", ratio: ratio(inProcess), goal },
  ]);
}, 600_000);
