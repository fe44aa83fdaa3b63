import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import Docker from "dockerode";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { DockerService } from "../support/services.ts";
import { describeWithServices, ready } from "../support/services.ts";
import type { Instance } from "../support/services-setup.ts";
import { startServices } from "../support/services-setup.ts";
import type { Life, Loop, Paired, Round } from "./fleet-table.ts";
import { roundOf, tableOf } from "./fleet-table.ts";
import { median } from "./timing.ts";

// Whole processes: beside Docker Compose on the same services, and beside a bare loop over the engine's API.
const MAIN = join(import.meta.dirname, "../../dist/src/cli/main.cjs");
const BARE = join(import.meta.dirname, "bare-loop.mjs");
/** Sizes of the fleets; `SANDKEEP_BENCH_FLEETS=20` for a quick look. */
const SIZES = (process.env["SANDKEEP_BENCH_FLEETS"] ?? "100,500").split(",").map(Number);
/** What only looks is cheap enough to be asked often. */
const LOOKS = 9;
/** The tools in each order, so that each is twice the first, the second and the last of six: a machine is now fast and now slow. */
const ORDERS: readonly (readonly (keyof Round)[])[] = [
  ["ours", "theirs", "bare"],
  ["theirs", "bare", "ours"],
  ["bare", "ours", "theirs"],
  ["bare", "theirs", "ours"],
  ["theirs", "ours", "bare"],
  ["ours", "bare", "theirs"],
];
/** `SANDKEEP_BENCH_ROUNDS=3` for half of the hour and more that 500 containers take, 12 for 100 of them on a restless machine. */
const ROUNDS = Number(process.env["SANDKEEP_BENCH_ROUNDS"] ?? ORDERS.length);
if (!Number.isInteger(ROUNDS) || ROUNDS < 1) {
  throw new Error("SANDKEEP_BENCH_ROUNDS: expected a number from 1, best a multiple of 6");
}
/** An engine goes on for a while after it answered; what is measured next must not pay for it. */
const QUIET = { share: 0.1, lookMs: 1000, looks: 30 };
/** Docker 20.10 may hang for good when many containers end at once: so long for each hundred is more than anything takes. */
const HUNG_MS = (size: number): number => Math.ceil(size / 100) * 60_000;
/** One that does not hang says of itself within this. */
const ANSWERS_MS = 10_000;
/** How often a tool's turn is taken, each time with a new engine, where it hangs; any other failure ends the bench. */
const TRIES = 3;
/** More than 500 containers take, and a turn that is taken again. */
const ROUND_MS = 2_400_000;
class Hung extends Error {}

interface Ran {
  readonly stdout: string;
  readonly milliseconds: number;
  readonly mebibytes: number;
}

describeWithServices("a fleet of containers", () => {
  /** All tools of a round have the same, unless it hung: what is to be compared is not a start of services apart as well. */
  let services: Instance | undefined;
  const engine = (): DockerService => {
    if (services === undefined) throw new Error("only within a round");
    return ready("docker", services.state.docker);
  };
  let folder = "";
  let compose = "";
  let env: NodeJS.ProcessEnv = {};

  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(join(import.meta.dirname, "../support/compose.sh"));
    compose = stdout.trim();
    folder = await mkdtemp("/tmp/sandkeep-bench-");
    env = {
      ...process.env,
      HOME: `${folder}-home`,
      SANDKEEP_STATE_DIR: join(folder, "state"),
      DOCKER_API_VERSION: "1.41",
    };
  });
  afterAll(async () => {
    await endRound();
    await rm(folder, { recursive: true, force: true });
  });

  async function engineOfRound(): Promise<void> {
    services ??= await startServices();
    env["DOCKER_HOST"] = engine().host;
  }

  async function endRound(): Promise<void> {
    const ending = services;
    services = undefined;
    await ending?.stop();
  }

  async function inTurn<T>(tool: keyof Round, live: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      await engineOfRound();
      try {
        return await live();
      } catch (thrown) {
        if (!(thrown instanceof Hung) || tries === TRIES) throw thrown;
        console.log(`the turn of ${tool} hung, and is taken again: ${thrown.message}`);
        await endRound();
      } finally {
        await rm(join(folder, "state"), { recursive: true, force: true });
      }
    }
  }

  const hangs = (): Promise<boolean> =>
    new Docker({ socketPath: engine().socket, timeout: ANSWERS_MS }).info().then(
      () => false,
      () => true,
    );

  let timeout = 0;
  const run = async (program: string, argv: readonly string[]): Promise<Ran> => {
    const started = performance.now();
    const child = spawn(program, argv, {
      cwd: folder,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout,
      killSignal: "SIGKILL",
    });
    let mebibytes = 0;
    const watched = setInterval(() => (mebibytes = Math.max(mebibytes, peakOf(child.pid))), 25);
    const [stdout, stderr] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    clearInterval(watched);
    if (child.signalCode === "SIGKILL") throw new Hung(`${program} ${argv.join(" ")} did not end`);
    // Some end by themselves when the engine does not answer.
    if (child.exitCode !== 0 && (await hangs())) throw new Hung(`${program} ${argv.join(" ")} gave up`);
    expect(child.exitCode, stderr).toBe(0);
    return { stdout, milliseconds: performance.now() - started, mebibytes };
  };
  const sandkeep = (...argv: string[]): Promise<Ran> => run(process.execPath, [MAIN, ...argv]);
  const often = async (work: () => Promise<Ran>): Promise<number> => {
    const times: number[] = [];
    for (let round = 0; round < LOOKS; round += 1) times.push((await work()).milliseconds);
    return median(times);
  };

  async function liveInSandkeep(size: number): Promise<Life & { readonly commands: readonly Paired[] }> {
    const { busybox } = engine().images;
    const agents = Array.from({ length: size }, (_, index) => `[agents.a${index}]\n`).join("");
    const head = `version = 1\nfleet = "${fleetName()}"\nfleet_id = "bench1"\n[sandbox]\nbackend = "docker"\n`;
    await writeFile(
      join(folder, "sandkeep.toml"),
      `${head}[sandbox.docker]\nimage = "${busybox}"\n${agents}`,
    );
    await quiet();
    const made = await sandkeep("apply", "--yes");
    const look = await often(() => sandkeep("plan", "--detailed-exitcode"));
    const planned = await sandkeep("plan");
    const commands = await commandTimes();
    await quiet();
    const again = await sandkeep("recreate", "--all", "--yes");
    await quiet();
    const gone = await sandkeep("destroy", "--all", "--yes");
    return {
      create: made.milliseconds,
      look,
      recreate: again.milliseconds,
      destroy: gone.milliseconds,
      mebibytes: Math.max(...[made, planned, again, gone].map((each) => each.mebibytes)),
      commands,
    };
  }

  /** In turn, so that a machine that slows down slows them all. */
  async function commandTimes(): Promise<readonly Paired[]> {
    const client = new Docker({ socketPath: engine().socket });
    const [container] = await client.listContainers({
      filters: { label: [`sandkeep.fleet=${fleetName()}`] },
    });
    const times: Paired[] = [];
    for (let round = 0; round < LOOKS; round += 1) {
      const node = await run(process.execPath, ["-e", ""]);
      const exec = await run("docker", ["exec", container?.Id ?? "", "true"]);
      const own = await sandkeep("run", "--agent", "a0", "--", "true");
      times.push({ ours: own.milliseconds, reference: node.milliseconds + exec.milliseconds });
    }
    return times;
  }

  async function liveInCompose(size: number): Promise<Life> {
    const service = {
      image: engine().images.busybox,
      entrypoint: ["sleep"],
      command: ["infinity"],
      network_mode: "none",
      init: true,
      read_only: true,
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges"],
      pids_limit: 512,
      working_dir: "/workspace",
      volumes: ["/workspace"],
      tmpfs: ["/run", "/tmp", "/var/tmp"],
      environment: { LANG: "C.UTF-8" },
    };
    const names = Array.from({ length: size }, (_, index) => [`a${index}`, service]);
    await writeFile(join(folder, "compose.json"), JSON.stringify({ services: Object.fromEntries(names) }));
    const call = (...argv: string[]): Promise<Ran> =>
      run(compose, ["-f", "compose.json", "-p", fleetName(), ...argv]);
    await quiet();
    const made = await call("up", "-d");
    const look = await often(() => call("up", "-d"));
    await quiet();
    const again = await call("up", "-d", "--force-recreate");
    await quiet();
    const gone = await call("down", "-v");
    const mebibytes = Math.max(made.mebibytes, again.mebibytes);
    return {
      create: made.milliseconds,
      look,
      recreate: again.milliseconds,
      destroy: gone.milliseconds,
      mebibytes,
    };
  }

  /** What the engine itself takes, and a process that tells it to. */
  async function liveBare(size: number): Promise<Round["bare"]> {
    const { socket, images } = engine();
    const call = (step: keyof Loop): Promise<Ran> =>
      run(process.execPath, [BARE, socket, step, String(size), fleetName(), images.busybox]);
    await quiet();
    const create = await call("create");
    const look = await often(() => call("look"));
    await quiet();
    const recreate = await call("recreate");
    await quiet();
    const destroy = await call("destroy");
    return {
      create: create.milliseconds,
      look,
      recreate: recreate.milliseconds,
      destroy: destroy.milliseconds,
      alone: {
        create: Number(create.stdout),
        recreate: Number(recreate.stdout),
        destroy: Number(destroy.stdout),
      },
    };
  }

  it.each(SIZES)(
    "of %i costs about what Compose and the engine itself cost",
    async (size) => {
      timeout = HUNG_MS(size);
      const lives = {
        ours: () => inTurn("ours", () => liveInSandkeep(size)),
        theirs: () => inTurn("theirs", () => liveInCompose(size)),
        bare: () => inTurn("bare", () => liveBare(size)),
      };
      const rounds: Round[] = [];
      try {
        while (rounds.length < ROUNDS) {
          const round = await inOrder(ORDERS[rounds.length % ORDERS.length] ?? [], lives);
          rounds.push(round);
          console.log(roundOf(rounds.length, ROUNDS, round));
          await endRound();
        }
      } finally {
        if (rounds.length > 0) console.log(tableOf(size, rounds));
        await endRound();
      }
    },
    ROUNDS * ROUND_MS,
  );
});

async function inOrder(
  order: readonly (keyof Round)[],
  lives: { readonly [Tool in keyof Round]: () => Promise<Round[Tool]> },
): Promise<Round> {
  const found: { -readonly [Tool in keyof Round]?: Round[Tool] } = {};
  const turns = {
    ours: async () => (found.ours = await lives.ours()),
    theirs: async () => (found.theirs = await lives.theirs()),
    bare: async () => (found.bare = await lives.bare()),
  };
  for (const tool of order) await turns[tool]();
  const { ours, theirs, bare } = found;
  if (!ours || !theirs || !bare) throw new Error(`a round without one of the tools: ${order.join(", ")}`);
  return { ours, theirs, bare };
}

/** Until the machine has hardly anything to do; one that always has is not waited for any longer. */
async function quiet(): Promise<void> {
  const idle = (): number => cpus().reduce((sum, { times }) => sum + times.idle, 0);
  for (let look = 0; look < QUIET.looks; look += 1) {
    const [before, began] = [idle(), performance.now()];
    await sleep(QUIET.lookMs);
    // Of the time that went by, and not of what the system tells: that leaves out waiting for the disk, and other machines.
    const share = (idle() - before) / ((performance.now() - began) * cpus().length);
    if (share >= 1 - QUIET.share) return;
  }
}

function fleetName(): string {
  return `bench${process.pid}`;
}

/** The most memory that a process had in use, in MiB; 0 once it is gone. */
function peakOf(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
