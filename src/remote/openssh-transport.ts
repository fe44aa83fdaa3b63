/** The system's ssh behind a control socket: knows certificates, host authorities, jumps and the user's own config. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAccessible } from "../util/accessible.ts";
import { elapsed } from "../util/elapsed.ts";
import type { Access, Timing } from "./access.ts";
import { jumpsOf } from "./access.ts";
import { notForwarded, sshError } from "./errors.ts";
import { configured, destination, running, SECRET_FILES, through } from "./openssh-config.ts";
import { withShownKey } from "./shown-key.ts";
import type { Channel, ChannelEnd, Forwarded, TerminalSize, Transport } from "./transport.ts";

/** A unix socket's path has 107 bytes, and ssh adds a suffix of its own while it makes one. */
const MOST_PATH = 80;

interface Master {
  readonly access: Access;
  readonly folder: string;
  readonly socket: string;
  readonly child: ChildProcess;
  readonly options: readonly string[];
  readonly env: Record<string, string>;
  /** Paths of our sockets, by the host's. */
  readonly forwards: Map<string, Promise<string>>;
}

export async function connectOpenssh(access: Access, timing: Timing): Promise<Transport> {
  const folder = await mkdtemp(join(tmpdir().length > MOST_PATH - 24 ? "/tmp" : tmpdir(), "sk-ssh-"));
  const left: Left = { folder };
  // A process may end at any moment, and a key may not outlive it.
  const leave = (): void => {
    left.child?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", leave);
  const release = clearedWithUs(folder, environment(access));
  const clear = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    process.off("exit", leave);
    release();
  };
  try {
    const master = await startMaster(access, left, timing);
    return transport(master, clear);
  } catch (thrown) {
    await clear();
    throw thrown;
  }
}

/** Until it is released, a process of its own removes the folder once its input ends: also a SIGKILL leaves no key behind. */
function clearedWithUs(folder: string, env: Record<string, string>): () => void {
  const clearing = spawn("/bin/sh", ["-c", 'read -r _; rm -rf -- "$1"', "sandkeep", folder], {
    env,
    cwd: "/",
    stdio: ["pipe", "ignore", "ignore"],
    // Whoever kills our whole group does not kill this.
    detached: true,
  });
  clearing.on("error", () => undefined);
  clearing.stdin.on("error", () => undefined);
  hold(clearing, false);
  return () => void clearing.stdin.end();
}

/** What a connection would leave behind. */
interface Left {
  readonly folder: string;
  child?: ChildProcess;
}

async function startMaster(access: Access, left: Left, timing: Timing): Promise<Master> {
  const { folder } = left;
  const socket = join(folder, "c");
  const options = await configured(access, folder, timing);
  const env = environment(access);
  const argv = [
    "-M",
    "-S",
    socket,
    "-T",
    ...options,
    // Its input is ours: however this process ends, `cat` does, and then the connection with all that still runs on it.
    ...running(`exec /bin/sh -c 'cat; kill "$PPID"'`),
    ...through(jumpsOf(access.written)),
    ...destination(access.written.target),
  ];
  // Out of our group: the terminal's Ctrl-C is ours to pass on, and the way has to outlast it.
  const child = spawn("ssh", argv, { env, stdio: ["pipe", "ignore", "pipe"], detached: true });
  left.child = child;
  child.stdin.on("error", () => undefined);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-4_000)));
  const state: { failure?: Error } = {};
  child.once("error", (error) => (state.failure = error));
  const deadline = elapsed() + timing.connectMs + 1_000;
  while (elapsed() < deadline && state.failure === undefined && isRunning(child)) {
    if (await isAccessible(socket)) {
      // It has logged in by now, and reads them no second time.
      for (const name of SECRET_FILES) await rm(join(folder, name), { force: true });
      return { access, folder, socket, child, options, env, forwards: new Map() };
    }
    await sleep(10);
  }
  child.kill("SIGKILL");
  const refusal = sshError(
    new Error(state.failure?.message ?? (said.trim() || "no answer")),
    `connect to ${access.label} with the system's ssh`,
  );
  const asking = { access, folder, options, env };
  throw await withShownKey(refusal, { ...asking, patience: timing.connectMs });
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Nothing that a config's SendEnv could pass on. */
function environment({ env, home }: Access): Record<string, string> {
  const kept = ["PATH", "SSH_AUTH_SOCK", "USER", "LOGNAME"].flatMap((name): [string, string][] => {
    const value = env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(kept), HOME: home };
}

function transport(master: Master, clear: () => Promise<void>): Transport {
  const { child } = master;
  return {
    kind: "openssh",
    tellsCode: true,
    alive: () => isRunning(child),
    hold: (holds) => hold(child, holds),
    open: async (command, tty) => openChannel(master, command, tty),
    forward: async (path) => forward(master, path),
    async [Symbol.asyncDispose]() {
      if (isRunning(child)) {
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
        await ended;
        clearTimeout(timer);
      }
      await clear();
    },
  };
}

/** A child's pipes keep a process alive as the child itself does. */
function hold(child: ChildProcess, holds: boolean): void {
  for (const each of [child, child.stdin, child.stderr]) {
    if (each === null) continue;
    if (holds && "ref" in each && typeof each.ref === "function") each.ref();
    if (!holds && "unref" in each && typeof each.unref === "function") each.unref();
  }
}

/** The ssh of a command tells its code also when the connection went before the last of its output. */
async function stands({ child, socket }: Master): Promise<boolean> {
  return isRunning(child) && (await isAccessible(socket));
}

/** `-tt`: a terminal there although there is none here. Its size is the host's business. */
async function openChannel(master: Master, command: string, tty: TerminalSize | undefined): Promise<Channel> {
  const { socket, env, access } = master;
  // Where the shared connection is gone, ssh would make one of its own behind our back.
  const options = ["-o", "ProxyCommand=false", ...master.options];
  const argv = [
    "-S",
    socket,
    tty === undefined ? "-T" : "-tt",
    ...options,
    ...running(command),
    ...destination(access.written.target),
  ];
  const child = spawn("ssh", argv, { env, stdio: ["pipe", "pipe", "pipe"], detached: true });
  child.stdin.on("error", () => undefined);
  await once(child, "spawn").catch((thrown: unknown) => {
    throw sshError(thrown, "start the system's ssh");
  });
  const ended = new Promise<ChannelEnd>((resolve) => {
    child.once("close", (code, signal) => {
      const why = signal === null ? `ssh ended with ${String(code)}` : `ssh was ended by ${signal}`;
      resolve(code === null ? { kind: "lost", why } : { kind: "exited", code });
    });
  });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended,
    closed: ended.then(async (end) =>
      (await stands(master)) ? end : { kind: "lost", why: "it was closed" },
    ),
    close: () => void child.kill("SIGKILL"),
  };
}

/** One listener of ours for each socket; whether the host reaches it shows only when something is said. */
async function forward(master: Master, path: string): Promise<Forwarded> {
  const { forwards } = master;
  const listener = forwards.get(path) ?? listen(master, path, forwards.size);
  forwards.set(path, listener);
  const local = await listener.catch((thrown: unknown) => {
    forwards.delete(path);
    throw thrown;
  });
  const stream = connect(local);
  await once(stream, "connect").catch((thrown: unknown) => {
    throw notForwarded(path, master.access.label, thrown);
  });
  return { stream, proven: false };
}

async function listen(master: Master, path: string, nth: number): Promise<string> {
  const { access, socket, folder, env } = master;
  const local = join(folder, `f${String(nth)}`);
  // No config: it would clear this forward as well, or ask for those that the user's config names.
  const argv = ["-F", "none", "-S", socket, "-O", "forward", "-L", `${local}:${path}`];
  argv.push(...destination(access.written.target));
  const child = spawn("ssh", argv, { env, stdio: ["ignore", "ignore", "pipe"], detached: true });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code] = await once(child, "close");
  if (code !== 0) throw sshError(new Error(said.trim()), `reach ${path} on ${access.label}`);
  return local;
}
