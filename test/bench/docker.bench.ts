import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { CountingProxy } from "../support/counting-proxy.ts";
import { countingProxy } from "../support/counting-proxy.ts";
import { describeWithServices } from "../support/services.ts";
import { median } from "./timing.ts";

const MAIN = join(import.meta.dirname, "../../dist/src/cli/main.cjs");
const SIZE = 40;
const ROUNDS = 7;
const QUIET_MS = 5_000;

interface Ran {
  readonly code: number | null;
  readonly stderr: string;
  readonly milliseconds: number;
}

describeWithServices("a docker host", (services) => {
  let folder = "";
  let proxy: CountingProxy;

  const start = (argv: readonly string[]) =>
    spawn(process.execPath, [MAIN, ...argv], {
      cwd: folder,
      env: {
        ...process.env,
        HOME: `${folder}-home`,
        SANDKEEP_STATE_DIR: join(folder, "state"),
        DOCKER_HOST: `unix://${join(folder, "engine.sock")}`,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
  const run = async (...argv: string[]): Promise<Ran> => {
    const started = performance.now();
    const child = start(argv);
    const [stderr] = await Promise.all([text(child.stderr), once(child, "close")]);
    return { code: child.exitCode, stderr, milliseconds: performance.now() - started };
  };

  beforeAll(async () => {
    folder = await mkdtemp("/tmp/sandkeep-bench-");
    proxy = await countingProxy(join(folder, "engine.sock"), services().docker.socket);
    const agents = Array.from({ length: SIZE }, (_, index) => `[agents.a${index}]`).join("\n");
    const head = `version = 1\nfleet = "bench${process.pid}"\nfleet_id = "bench1"\n[sandbox]\nbackend = "docker"`;
    const image = `[sandbox.docker]\nimage = "${services().docker.images.busybox}"`;
    await writeFile(join(folder, "sandkeep.toml"), `${head}\n${image}\n${agents}\n`);
    const made = await run("apply", "--yes");
    expect(made.code, made.stderr).toBe(0);
  });
  afterAll(async () => {
    await run("destroy", "--all", "--yes");
    await proxy[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  it("is observed with one list call and concurrent inspects", async () => {
    const docker = new Docker({ socketPath: join(folder, "engine.sock") });
    const bare: number[] = [];
    const planned: number[] = [];
    const empty: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const started = performance.now();
      const list = await docker.listContainers({ all: true });
      await Promise.all(list.map((each) => docker.getContainer(each.Id).inspect()));
      bare.push(performance.now() - started);
      const node = performance.now();
      await once(spawn(process.execPath, ["-e", ""], { stdio: "ignore" }), "close");
      empty.push(performance.now() - node);
      proxy.requests.length = 0;
      const { code, milliseconds } = await run("plan", "--detailed-exitcode");
      expect(code).toBe(0);
      planned.push(milliseconds);
    }
    const calls = proxy.requests.map((line) => line.replace(/\/v1\.\d+/, ""));
    const lists = calls.filter((line) => line.startsWith("GET /containers/json"));
    const inspects = calls.filter((line) => /^GET \/containers\/[0-9a-f]+\/json/.test(line));
    const reference = median(bare) + median(empty);
    console.table([
      { what: "empty node + bare list and inspects", ms: Math.round(reference), ratio: "1.00" },
      {
        what: `sandkeep plan of ${SIZE}`,
        ms: Math.round(median(planned)),
        ratio: (median(planned) / reference).toFixed(2),
      },
    ]);
    console.log(
      `engine calls of one plan: ${calls.length} (${lists.length} list, ${inspects.length} inspects)`,
    );
    expect(lists).toHaveLength(1);
    expect(inspects).toHaveLength(SIZE);
    expect(calls.filter((line) => !line.startsWith("GET ") && !line.startsWith("HEAD "))).toEqual([]);
  });

  it("hears nothing from a steady watch but its one event stream", async () => {
    const child = start(["watch"]);
    try {
      await sleep(QUIET_MS);
      const settled = proxy.requests.length;
      await sleep(QUIET_MS);
      console.log(
        `engine calls in ${QUIET_MS / 1_000} s of steady watch: ${proxy.requests.length - settled}`,
      );
      expect(proxy.requests.slice(settled)).toEqual([]);
    } finally {
      child.kill("SIGTERM");
      await once(child, "close");
    }
  });
});
