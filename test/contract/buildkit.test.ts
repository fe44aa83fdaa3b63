// The real thing: the BuildKit inside the private Docker Engine, through sandkeep's own bridge and Docker's client.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bridge } from "../../src/drivers/buildkit/bridge.ts";
import { Dialer } from "../../src/drivers/buildkit/dial.ts";
import { buildkitDriver } from "../../src/drivers/buildkit/index.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { everyArgv, isRunning, uniqueSleep } from "../support/processes.ts";
import type { DockerService, TestServices } from "../support/services.ts";
import { describeWith } from "../support/services.ts";
import type { EphemeralHarness } from "./ephemeral-contract.ts";
import { describeEphemeralContract } from "./ephemeral-contract.ts";
import { beginBuild, endpointOf, envOf, hostAt, shellAbove, tcpProxy } from "./buildkit-kit.ts";
import { folderSource, realDeps, shellCommands, until } from "./harness.ts";

async function harnessOf(services: TestServices, docker: DockerService): Promise<EphemeralHarness> {
  const dir = await mkdtemp(join(tmpdir(), "sandkeep-contract-"));
  const deps = realDeps(join(dir, "state"), envOf(services, dir));
  return {
    module: buildkitDriver,
    host: hostAt(`docker://${docker.socket}`),
    deps,
    plain: { image: docker.images.busybox, network: "none" },
    commands: {
      ...shellCommands,
      change: () => ["sh", "-c", "mkdir made && echo new > made/new.txt && rm keep.txt; exit 3"],
      read: () => ["cat", "keep.txt"],
    },
    begun: async (tag) => (await everyArgv()).some((argv) => argv.startsWith(`sleep\0${tag}`)),
    unreachable: async () => buildkitDriver.openReader(hostAt(`docker://${join(dir, "nothing.sock")}`), deps),
    source: () => folderSource(dir),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** The engine, and what posture has to say of the way to it. */
const ENGINES = [
  ["docker", "remote", "an engine of this release, through buildx's remote driver"],
  ["newer", "docker", "an engine of the next release, through buildx's docker driver"],
] as const;

describe.each(ENGINES)("%s", (name, driver, title) => {
  describeWith([name, "buildx"], title, (services) => {
    describeEphemeralContract("a BuildKit worker", () => harnessOf(services(), services()[name]));
    describeBuilds(() => ({ services: services(), docker: services()[name], driver }));
  });
});

interface Under {
  readonly services: TestServices;
  readonly docker: DockerService;
  readonly driver: string;
}

function describeBuilds(under: () => Under): void {
  const services = () => under().services;

  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "sandkeep-buildkit-"));
  });
  afterAll(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));

  async function cat(workspace: string, endpoint: string, argv = ["cat", "file.txt"]): Promise<string> {
    await using begun = await beginBuild(services(), { dir, workspace, endpoint }, argv);
    const ran = await begun.ran;
    expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
    return ran.stdout;
  }

  it("loses nothing that a command wrote before it was ended, and leaves nothing of it running", async () => {
    const workspace = join(dir, "ended");
    await mkdir(workspace);
    const tag = uniqueSleep();
    const endpoint = `docker://${under().docker.socket}`;
    // More than a worker passes on while a command runs.
    const script = `head -c 3000000 /dev/zero | tr '\\0' x; echo said >&2; exec sleep ${tag}`;
    await using begun = await beginBuild(services(), { dir, workspace, endpoint }, ["sh", "-c", script]);
    await until(() => isRunning(tag), "the command to begin", 45_000);
    await begun.handle.signal("SIGTERM");
    const { exitCode, because, stdout, stderr } = await begun.ran;
    expect([exitCode, because, stdout.length, stderr]).toEqual([143, undefined, 3_000_000, "said\n"]);
    await until(async () => !(await isRunning(tag)), "its end on the worker");
  });

  it("takes the end of a command that the worker kills for the command's, with what it wrote", async () => {
    const workspace = join(dir, "killed");
    await mkdir(workspace);
    const tag = uniqueSleep();
    const endpoint = `docker://${under().docker.socket}`;
    const script = `echo before; exec sleep ${tag}`;
    await using begun = await beginBuild(services(), { dir, workspace, endpoint }, ["sh", "-c", script]);
    await until(() => isRunning(tag), "the command to begin", 45_000);
    process.kill(await shellAbove(tag), "SIGKILL");
    const { exitCode, stdout } = await begun.ran;
    expect([exitCode, stdout]).toEqual([137, "before\n"]);
  });

  it("never takes a file of another workspace for its own, though path, size, time and mode are equal", async () => {
    const { docker } = under();
    const { buildx } = services();
    const workspace = join(dir, "ws");
    await mkdir(workspace);
    const write = async (content: string): Promise<void> => {
      await writeFile(join(workspace, "file.txt"), content);
      await utimes(join(workspace, "file.txt"), 1_000_000, 1_000_000);
    };
    // The hazard itself: one client that keeps its identity, as two machines with one home do.
    const env = { ...envOf(services(), dir), BUILDX_CONFIG: join(dir, "kept") };
    const dialer = new Dialer(endpointOf(`docker://${docker.socket}`), { env, randomId: () => "0" });
    await using bridge = await Bridge.open(() => dialer.dial());
    const client = (args: readonly string[]) =>
      promisify(execFile)(join(buildx.folder, "docker-buildx"), [...args], { env });
    await client(["create", "--name", "kept", "--driver", "remote", bridge.address]);
    const plainly = async (name: string): Promise<string> => {
      const file = join(dir, `${name}.Dockerfile`);
      await writeFile(file, "FROM scratch\nCOPY file.txt /\n");
      const out = join(dir, name);
      await client([
        "build",
        "--builder",
        "kept",
        "-f",
        file,
        "--output",
        `type=local,dest=${out}`,
        workspace,
      ]);
      return await readFile(join(out, "file.txt"), "utf8");
    };
    await write("first\n");
    expect(await plainly("one")).toBe("first\n");
    expect(await cat(workspace, `docker://${docker.socket}`)).toBe("first\n");
    await write("other\n");
    expect(await plainly("two"), "the worker is wrong without the fix").toBe("first\n");
    expect(await cat(workspace, `docker://${docker.socket}`)).toBe("other\n");
  });

  it("returns megabytes of output whole, which the progress log would clip", async () => {
    const workspace = join(dir, "big");
    await mkdir(workspace);
    const endpoint = `docker://${under().docker.socket}`;
    const out = await cat(workspace, endpoint, ["sh", "-c", "yes 0123456789 | head -n 600000"]);
    expect(out.length).toBe(600_000 * 11);
  });

  it("neither sends the state directory, though a link leads to it, nor brings back what is made in its place", async () => {
    const workspace = join(dir, "holds");
    await mkdir(join(workspace, ".state", "fleets"), { recursive: true });
    await writeFile(join(workspace, ".state", "fleets", "holds.json"), "ours\n");
    await symlink(workspace, join(dir, "way"));
    const deps = realDeps(join(dir, "way", ".state"), envOf(services(), dir));
    await using driver = await buildkitDriver.open(hostAt(`docker://${under().docker.socket}`), deps);
    const values: JsonObject = {
      workspace: { source: workspace, access: "rw", target: "/workspace" },
      buildkit: { image: under().docker.images.busybox, network: "none" },
    };
    const brought: string[] = [];
    const [stdout, stderr] = [new PassThrough(), new PassThrough().resume()];
    const out = text(stdout);
    const { result } = await driver.exec({
      objectId: "agent/a",
      build: {
        spec: { kind: "sandbox", backend: "buildkit", values },
        bringBack: async ({ changed, deleted }) => {
          brought.push(...changed.map(({ path }) => path), ...deleted);
        },
      },
      argv: ["sh", "-c", "ls -A; mkdir -p .state/fleets/x; echo > .state/fleets/x/holds.json; echo > made"],
      env: {},
      stdout,
      stderr,
    });
    expect((await result).exitCode).toBe(0);
    stdout.end();
    expect([await out, brought]).toEqual(["", ["made"]]);
  });

  it("calls a setup line that fails that, whatever words it writes", async () => {
    const deps = realDeps(join(dir, "state"), envOf(services(), dir));
    await using driver = await buildkitDriver.open(hostAt(`docker://${under().docker.socket}`), deps);
    const values: JsonObject = {
      workspace: { access: "none", target: "/workspace" },
      setup: ["echo certificate: connection refused >&2; exit 3"],
      buildkit: { image: under().docker.images.busybox, network: "none" },
    };
    const { result } = await driver.exec({
      objectId: "agent/a",
      build: { spec: { kind: "sandbox", backend: "buildkit", values }, bringBack: async () => undefined },
      argv: ["true"],
      env: {},
      stdout: new PassThrough().resume(),
      stderr: new PassThrough().resume(),
    });
    await expect(result).rejects.toMatchObject({ code: "BUILDKIT_SETUP", kind: "terminal" });
  });

  it("reaches a worker by a socket of its own, and an engine over TCP", async () => {
    const workspace = join(dir, "ways");
    await mkdir(workspace);
    await writeFile(join(workspace, "file.txt"), "here\n");
    const { docker } = under();
    const dialer = new Dialer(endpointOf(`docker://${docker.socket}`), {
      env: process.env,
      randomId: () => "0",
    });
    await using bridge = await Bridge.open(() => dialer.dial());
    expect(await cat(workspace, bridge.address)).toBe("here\n");
    await using proxy = await tcpProxy(docker.socket);
    expect(await cat(workspace, `docker://127.0.0.1:${proxy.port}`)).toBe("here\n");
  });

  it("is probed with the client that would be used, its version and its way to the worker", async () => {
    const deps = realDeps(join(dir, "state"), envOf(services(), dir));
    await using reader = await buildkitDriver.openReader(hostAt(`docker://${under().docker.socket}`), deps);
    const { status, client } = await reader.probe();
    expect([status, client]).toEqual([
      "ready",
      {
        name: "docker buildx",
        program: join(services().buildx.folder, "docker-buildx"),
        version: expect.stringMatching(/^\d+\.\d+/),
        driver: under().driver,
      },
    ]);
  });
}
