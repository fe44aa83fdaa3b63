// Commands on a real BuildKit worker, one at a time, for the tests that look at a single one.
import { readFile, readdir } from "node:fs/promises";
import type { Server } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { parseEndpoint } from "../../src/drivers/buildkit/endpoint.ts";
import { buildkitDriver } from "../../src/drivers/buildkit/index.ts";
import type { DriverDeps, ExecHandle, ExecResult } from "../../src/drivers/driver.ts";
import type { JsonObject } from "../../src/model/json.ts";
import type { Host } from "../../src/model/settings.ts";
import type { TestServices } from "../support/services.ts";
import { realDeps } from "./harness.ts";

export function envOf({ buildx }: Pick<TestServices, "buildx">, home: string): DriverDeps["env"] {
  const path = `${buildx.folder}:${process.env["PATH"] ?? ""}`;
  return { PATH: path, HOME: home, TMPDIR: tmpdir() };
}

export const hostAt = (endpoint: string): Host => ({ name: endpoint, buildkit: endpoint, labels: {} });

export interface Place {
  /** Holds the state, and is the home of what runs. */
  readonly dir: string;
  readonly workspace: string;
  /** Also a host's whole table, where the endpoint needs more than its address. */
  readonly endpoint: string | Host;
}

export interface Begun extends AsyncDisposable {
  readonly handle: ExecHandle;
  readonly ran: Promise<ExecResult & { readonly stdout: string; readonly stderr: string }>;
}

export async function beginBuild(
  services: Pick<TestServices, "buildx">,
  { dir, workspace, endpoint }: Place,
  argv: readonly string[],
): Promise<Begun> {
  const deps = realDeps(join(dir, "state"), envOf(services, dir));
  const host = typeof endpoint === "string" ? hostAt(endpoint) : endpoint;
  const driver = await buildkitDriver.open(host, deps);
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const said = Promise.all([text(stdout), text(stderr)]);
  const values: JsonObject = {
    workspace: { source: workspace, access: "rw", target: "/workspace" },
    buildkit: { image: "sandkeep-test/busybox:1", network: "none" },
  };
  const build = {
    spec: { kind: "sandbox", backend: "buildkit", values },
    bringBack: async () => undefined,
  } as const;
  try {
    const handle = await driver.exec({ objectId: "agent/a", build, argv, env: {}, stdout, stderr });
    const ran = async () => {
      const result = await handle.result;
      stdout.end();
      stderr.end();
      const [out, err] = await said;
      return { ...result, stdout: out, stderr: err };
    };
    return { handle, ran: ran(), [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose]() };
  } catch (thrown) {
    await driver[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** The process id of what the worker itself started for the command that sleeps so. */
export async function shellAbove(tag: string): Promise<number> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const argv = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    if (!argv.startsWith(`sleep\0${tag}`)) continue;
    let [pid, above] = [Number(name), await parentOf(Number(name))];
    while (await isShell(above)) [pid, above] = [above, await parentOf(above)];
    return pid;
  }
  throw new Error(`nobody sleeps ${tag}`);
}

async function isShell(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8")).startsWith("/bin/sh\0");
}

async function parentOf(pid: number): Promise<number> {
  const [, parent = "0"] = /^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(parent);
}

export function endpointOf(written: string) {
  const endpoint = parseEndpoint(written);
  if (endpoint === undefined || endpoint.kind === "ssh") throw new Error(`no way of its own: ${written}`);
  return endpoint;
}

export async function tcpProxy(socket: string): Promise<AsyncDisposable & { readonly port: number }> {
  const server: Server = createServer((client) => {
    const engine = connect(socket);
    client.on("error", () => engine.destroy());
    engine.on("error", () => client.destroy());
    client.pipe(engine).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}
