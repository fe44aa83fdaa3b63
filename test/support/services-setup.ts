import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import type { Availability, BuildxService, ServicesState } from "./services.ts";

// The global setup of the projects that need real services. vitest loads it once per project, so the one running
// instance hangs on the process: the first project starts it, the last one to leave stops it.

interface Shared {
  users: number;
  readonly instance: Promise<Instance>;
}

export interface Instance {
  readonly state: ServicesState;
  stop(): Promise<void>;
}

declare global {
  var sandkeepTestServices: Shared | undefined;
}

export async function setup(project: TestProject): Promise<void> {
  const shared = (globalThis.sandkeepTestServices ??= { users: 0, instance: start() });
  shared.users += 1;
  const { state } = await shared.instance;
  project.provide("sandkeepServices", state);
}

export async function teardown(): Promise<void> {
  const shared = globalThis.sandkeepTestServices;
  if (shared === undefined) return;
  shared.users -= 1;
  if (shared.users > 0) return;
  globalThis.sandkeepTestServices = undefined;
  await (await shared.instance).stop();
}

async function start(): Promise<Instance> {
  try {
    return await startServices();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (isCi()) throw new Error(`real services are required in CI: ${reason}`, { cause });
    console.warn(`\nreal services unavailable, their tests are skipped: ${reason}\n`);
    const none = { state: "unavailable", reason } as const;
    const state = {
      docker: none,
      newer: none,
      podman: none,
      rootless: none,
      ssh: none,
      buildx: none,
      required: false,
    };
    return { state, stop: () => Promise.resolve() };
  }
}

function isCi(): boolean {
  return !["", "0", "false"].includes(process.env["CI"] ?? "");
}

/** Those of a test run that needs some for itself; rejects where they cannot be. */
export async function startServices(): Promise<Instance> {
  if (process.getuid?.() !== 0) throw new Error("a private Docker Engine needs root");
  await promisify(execFile)(script("provision.sh"));
  // Not under TMPDIR: a unix socket path may have 107 bytes at most.
  const dir = await mkdtemp("/tmp/sandkeep-test-");
  // Detached, so that Ctrl-C reaches vitest alone; the script leaves when its stdin closes, also when we are killed.
  const child = spawn(script("services.sh"), [dir], { detached: true, stdio: ["pipe", "pipe", "pipe"] });
  const exited = once(child, "exit");
  const errors = collect(child);
  try {
    await waitUntilReady(child, exited);
    return {
      state: await describeServices(dir),
      stop: () => stop(child, exited),
    };
  } catch (cause) {
    await stop(child, exited);
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    throw new Error(errors().trim() || "services.sh failed", { cause });
  }
}

function script(name: string): string {
  return join(import.meta.dirname, name);
}

function collect(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  return () => text;
}

async function waitUntilReady(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  const { stdout } = child;
  if (stdout === null) throw new Error("services.sh has no stdout");
  const first = await Promise.race([once(stdout, "data"), exited.then(() => ["ended"])]);
  if (!String(first[0]).startsWith("ready")) throw new Error("services.sh ended before it was ready");
}

async function stop(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.stdin?.end();
  await exited;
}

async function describeServices(dir: string): Promise<ServicesState> {
  const images = {
    busybox: "sandkeep-test/busybox:1",
    busyboxNext: "sandkeep-test/busybox:2",
    exits: "sandkeep-test/exits:1",
  };
  const engine = (socket: string) => ({ socket, host: `unix://${socket}`, images });
  const ssh = join(dir, "ssh");
  return {
    docker: await available(dir, "docker", () => engine(join(dir, "docker.sock"))),
    newer: await available(dir, "newer", () => engine(join(dir, "newer.sock"))),
    podman: await available(dir, "podman", () => engine(join(dir, "podman", "podman.sock"))),
    rootless: await available(dir, "rootless", async () => ({
      ...engine(join(dir, "rootless", "podman.sock")),
      uid: (await stat(join(dir, "rootless"))).uid,
    })),
    ssh: await available(dir, "ssh", async () => ({
      host: "127.0.0.1",
      port: Number(await readFile(join(ssh, "port"), "utf8")),
      user: (await readFile(join(ssh, "user"), "utf8")).trim(),
      keyFile: join(ssh, "user_key"),
      knownHostsFile: join(ssh, "known_hosts"),
      configFile: join(ssh, "config"),
      alias: "sandkeep-test",
    })),
    buildx: await buildx(),
    required: isCi(),
  };
}

/** Where provision-newer.sh unpacks it. */
const BUILDX = "/usr/local/lib/sandkeep-test/buildx";

async function buildx(): Promise<Availability<BuildxService>> {
  const program = join(BUILDX, "docker-buildx");
  try {
    await promisify(execFile)(program, ["version"]);
    return { state: "ready", service: { folder: BUILDX } };
  } catch (thrown) {
    return { state: "unavailable", reason: `${program} does not run: ${String(thrown)}` };
  }
}

/** What services.sh could not bring up has left its reason. */
async function available<Service>(
  dir: string,
  name: string,
  describe: () => Service | Promise<Service>,
): Promise<Availability<Service>> {
  const reason = await readFile(join(dir, `${name}.unavailable`), "utf8").catch(() => undefined);
  if (reason === undefined) return { state: "ready", service: await describe() };
  console.warn(`\n${name} is not available, its tests ${isCi() ? "fail" : "are skipped"}: ${reason}`);
  return { state: "unavailable", reason: reason.trim() };
}
