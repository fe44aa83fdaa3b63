import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import Docker from "dockerode";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithServices } from "../support/services.ts";
import type { Life, Paired, Round } from "./fleet-table.ts";
import { median, tableOf } from "./fleet-table.ts";

// Whole processes beside Docker Compose on the same services, and beside a bare loop over the engine's API.
const MAIN = join(import.meta.dirname, "../../dist/src/cli/main.cjs");
/** Sizes of the fleets; `SANDKEEP_BENCH_FLEETS=20` for a quick look. */
const SIZES = (process.env["SANDKEEP_BENCH_FLEETS"] ?? "100,500").split(",").map(Number);
/** What only looks is cheap enough to be asked often. */
const LOOKS = 9;
/** All of it this often, one tool after the other each time. */
const ROUNDS = (size: number): number => (size < 500 ? 6 : 3);
const BARE_AT_ONCE = 8;
/** Docker 20.10 may hang for good when many containers end at once: so long for each hundred is more than anything takes. */
const HUNG_MS = (size: number): number => Math.ceil(size / 100) * 120_000;
class Hung extends Error {}

interface Ran {
  readonly milliseconds: number;
  readonly mebibytes: number;
}

describeWithServices("a fleet of containers", (services) => {
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
      DOCKER_HOST: services().docker.host,
      DOCKER_API_VERSION: "1.41",
    };
  });
  afterAll(async () => {
    await run(process.execPath, [MAIN, "destroy", "--all", "--yes", "--fleet", fleetName()]).catch(
      () => undefined,
    );
    await run(compose, ["-p", fleetName(), "down"]).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });

  let timeout = 0;
  const run = async (program: string, argv: readonly string[]): Promise<Ran> => {
    const started = performance.now();
    const child = spawn(program, argv, {
      cwd: folder,
      env,
      stdio: ["ignore", "ignore", "pipe"],
      timeout,
      killSignal: "SIGKILL",
    });
    let mebibytes = 0;
    const watched = setInterval(() => (mebibytes = Math.max(mebibytes, peakOf(child.pid))), 25);
    const [stderr] = await Promise.all([text(child.stderr), once(child, "close")]);
    clearInterval(watched);
    if (child.signalCode === "SIGKILL") throw new Hung(`${program} ${argv.join(" ")} did not end`);
    expect(child.exitCode, stderr).toBe(0);
    return { milliseconds: performance.now() - started, mebibytes };
  };
  const sandkeep = (...argv: string[]): Promise<Ran> => run(process.execPath, [MAIN, ...argv]);
  const often = async (work: () => Promise<Ran>): Promise<number> => {
    const times: number[] = [];
    for (let round = 0; round < LOOKS; round += 1) times.push((await work()).milliseconds);
    return median(times);
  };

  async function liveInSandkeep(size: number): Promise<Life & { readonly commands: readonly Paired[] }> {
    const { busybox } = services().docker.images;
    const agents = Array.from({ length: size }, (_, index) => `[agents.a${index}]\n`).join("");
    const head = `version = 1\nfleet = "${fleetName()}"\nfleet_id = "bench1"\n[sandbox]\nbackend = "docker"\n`;
    await writeFile(
      join(folder, "sandkeep.toml"),
      `${head}[sandbox.docker]\nimage = "${busybox}"\n${agents}`,
    );
    const made = await sandkeep("apply", "--yes");
    const look = await often(() => sandkeep("plan", "--detailed-exitcode"));
    const planned = await sandkeep("plan");
    const commands = await commandTimes();
    const again = await sandkeep("recreate", "--all", "--yes");
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
    const docker = new Docker({ socketPath: services().docker.socket });
    const [container] = await docker.listContainers({
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
      image: services().docker.images.busybox,
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
    const made = await call("up", "-d");
    const look = await often(() => call("up", "-d"));
    const again = await call("up", "-d", "--force-recreate");
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

  /** What the engine itself takes: no process, no health, no labels, nothing remembered. */
  async function liveBare(size: number): Promise<Omit<Life, "mebibytes">> {
    const docker = new Docker({ socketPath: services().docker.socket });
    const ids: string[] = [];
    const make = async (index: number): Promise<void> => {
      const container = await docker.createContainer(bareOptions(services().docker.images.busybox, index));
      await container.start();
      ids[index] = container.id;
    };
    const drop = (index: number) => docker.getContainer(ids[index] ?? "").remove({ force: true, v: true });
    const create = await timed(() => parallel(size, make));
    const look = await timed(async () => {
      const list = await docker.listContainers({ all: true });
      await parallel(size, (index) => docker.getContainer(list[index]?.Id ?? "").inspect());
    });
    const recreate = await timed(() =>
      parallel(size, async (index) => {
        await drop(index);
        await make(index);
      }),
    );
    const destroy = await timed(() => parallel(size, drop));
    return { create, look, recreate, destroy };
  }

  it.each(SIZES)(
    "of %i costs about what Compose and the engine itself cost",
    async (size) => {
      timeout = HUNG_MS(size);
      const rounds: Round[] = [];
      for (let round = 0; round < ROUNDS(size); round += 1) {
        try {
          rounds.push(
            await inTurn(round, {
              ours: () => liveInSandkeep(size),
              theirs: () => liveInCompose(size),
              bare: () => inTime(liveBare(size), 3 * timeout),
            }),
          );
        } catch (thrown) {
          if (rounds.length === 0 || !(thrown instanceof Hung)) throw thrown;
          console.log(`round ${round + 1} and those after it are left out: ${String(thrown)}`);
          break;
        }
      }
      console.log(tableOf(size, rounds));
    },
    7_200_000,
  );
});

/** Each tool is the first one equally often: an engine is slower right after it removed many. */
async function inTurn(
  round: number,
  { ours, theirs, bare }: { readonly [Tool in keyof Round]: () => Promise<Round[Tool]> },
): Promise<Round> {
  const found: Partial<Round> = {};
  const lives = [
    async () => Object.assign(found, { ours: await ours() }),
    async () => Object.assign(found, { theirs: await theirs() }),
    async () => Object.assign(found, { bare: await bare() }),
  ];
  for (let turn = 0; turn < lives.length; turn += 1) await lives[(round + turn) % lives.length]?.();
  return found as Round;
}

function fleetName(): string {
  return `bench${process.pid}`;
}

function bareOptions(image: string, index: number): Docker.ContainerCreateOptions {
  return {
    name: `${fleetName()}-bare-${index}`,
    Image: image,
    Entrypoint: ["sleep"],
    Cmd: ["infinity"],
    WorkingDir: "/workspace",
    Volumes: { "/workspace": {} },
    Env: ["LANG=C.UTF-8"],
    HostConfig: {
      Init: true,
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      PidsLimit: 512,
      Tmpfs: { "/run": "", "/tmp": "", "/var/tmp": "" },
    },
  };
}

async function parallel(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lanes = Array.from({ length: BARE_AT_ONCE }, async () => {
    while (next < count) await work(next++);
  });
  await Promise.all(lanes);
}

async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  const late = sleep(ms, undefined, { ref: false }).then(() => Promise.reject(new Hung("the engine hangs")));
  return await Promise.race([work, late]);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
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
