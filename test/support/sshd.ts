// A throw-away OpenSSH server of one test file, on loopback, with what it must be told, and a proxy that can cut it off.
import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Host, SshAccess } from "../../src/model/settings.ts";

const run = promisify(execFile);

export interface Sshd extends AsyncDisposable {
  readonly dir: string;
  readonly port: number;
  readonly user: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
  /** The line of the host's public key, type and base64. */
  readonly hostKey: string;
  /** A host's table, with the key and the known host of this server. */
  access(changes?: Partial<SshAccess>): SshAccess;
  host(name?: string, changes?: Partial<SshAccess>): Host;
  /** The line of a config's `[hosts.NAME]` that says the same. */
  readonly line: string;
}

export async function makeKey(file: string): Promise<string> {
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file]);
  return (await readFile(`${file}.pub`, "utf8")).trim().split(" ").slice(0, 2).join(" ");
}

/**
 * `prepare` is told the server's folder, once `host_key` is in it, and gives more lines of its config; `through` gives a
 * program that becomes the server, as its last arguments say.
 */
export async function startSshd(
  config: readonly string[] = [],
  prepare: (dir: string) => Promise<readonly string[]> = async () => [],
  through: (dir: string) => readonly string[] = () => [],
): Promise<Sshd> {
  await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  const dir = await mkdtemp(join(tmpdir(), "sandkeep-sshd-"));
  await mkdir(join(dir, "home"));
  const hostKey = await makeKey(join(dir, "host_key"));
  const userKey = await makeKey(join(dir, "user_key"));
  await writeFile(join(dir, "authorized_keys"), `${userKey}\n`);
  const { port, child } = await listen(dir, [...config, ...(await prepare(dir))], through(dir));
  const user = userInfo().username;
  const knownHostsFile = join(dir, "known_hosts");
  await writeFile(knownHostsFile, `[127.0.0.1]:${String(port)} ${hostKey}\n`);
  const access = (changes: Partial<SshAccess> = {}): SshAccess => ({
    target: `${user}@127.0.0.1:${String(port)}`,
    identity_file: join(dir, "user_key"),
    known_hosts_file: knownHostsFile,
    strict_host_key: true,
    transport: "auto",
    folder: dir,
    ...changes,
  });
  return {
    dir,
    port,
    user,
    keyFile: join(dir, "user_key"),
    knownHostsFile,
    hostKey,
    access,
    host: (name = "build1", changes = {}) => ({ name, ssh: access(changes), labels: {} }),
    line: `ssh = { target = "${user}@127.0.0.1:${String(port)}", identity_file = "${join(dir, "user_key")}", known_hosts_file = "${knownHostsFile}" }`,
    async [Symbol.asyncDispose]() {
      await stop(child);
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function listen(
  dir: string,
  config: readonly string[],
  through: readonly string[],
): Promise<{ readonly port: number; readonly child: ChildProcess }> {
  const base = [
    "ListenAddress 127.0.0.1",
    `HostKey ${join(dir, "host_key")}`,
    `AuthorizedKeysFile ${join(dir, "authorized_keys")}`,
    "PidFile none",
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin yes",
    // Of this one the last word counts.
    ...(config.some((line) => line.startsWith("MaxStartups ")) ? [] : ["MaxStartups 200"]),
    // Nothing of the account that runs the tests: not its start-up files, and nothing left behind in its home.
    `SetEnv HOME=${join(dir, "home")}`,
  ];
  // The first word on a setting counts.
  await writeFile(join(dir, "sshd_config"), `${[...config, ...base].join("\n")}\n`);
  for (let tries = 0; tries < 20; tries += 1) {
    const port = await freePort();
    const server = ["/usr/sbin/sshd", "-D", "-e", "-f", join(dir, "sshd_config"), "-p", String(port)];
    const [program = "", ...args] = [...through, ...server];
    const child = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe"],
      // Its sessions are ended with it.
      detached: true,
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    while (child.exitCode === null && !said.includes("Server listening")) await sleep(20);
    if (child.exitCode === null) return { port, child };
    if (!said.includes("in use")) throw new Error(`sshd did not start: ${said}`);
  }
  throw new Error("no free port for sshd");
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = portOf(server);
  server.close();
  await once(server, "close");
  return port;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, "exit");
  process.kill(-child.pid, "SIGKILL");
  await ended;
}

async function* slowly(from: Readable, most: () => number): AsyncGenerator<Buffer> {
  for await (const chunk of from) {
    const bytes: Buffer = chunk;
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + Math.min(most(), bytes.length));
      yield part;
      at += part.length;
      if (most() !== Infinity) await sleep(50);
    }
  }
}

/** Between a client and a server: counts, cuts or hangs. */
export interface Cutter extends AsyncDisposable {
  readonly port: number;
  /** Bytes from the client to the server so far, of all connections. */
  sent(): number;
  connections(): number;
  /** Ends every connection once so many bytes went to the server in all. */
  cutAfter(bytes: number | undefined): void;
  /** Ends every connection now. */
  cut(): void;
  /** Ends every connection now, and each new one at once, until it is told otherwise. */
  refuse(refuses: boolean): void;
  /** Passes nothing on any more, and closes nothing. */
  hang(hangs: boolean): void;
  /** Passes on so many bytes to the client at a time, twenty times a second. */
  slow(bytes: number): void;
}

export async function startCutter(port: number): Promise<Cutter> {
  const state = { sent: 0, made: 0, most: Infinity, hangs: false, slow: Infinity, refuses: false };
  const sockets = new Set<Socket>();
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    state.made += 1;
    if (state.refuses) {
      client.destroy();
      return;
    }
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (chunk) => {
      if (state.hangs) return;
      state.sent += chunk.length;
      if (state.sent > state.most) return cut();
      upstream.write(chunk);
    });
    const answer = Readable.from(slowly(upstream, () => state.slow));
    answer.on("error", () => undefined);
    answer.on("data", (chunk) => {
      if (!state.hangs) client.write(chunk);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: portOf(server),
    sent: () => state.sent,
    connections: () => state.made,
    cutAfter: (bytes) => {
      state.most = bytes === undefined ? Infinity : state.sent + bytes;
    },
    cut,
    refuse: (refuses) => {
      state.refuses = refuses;
      if (refuses) cut();
    },
    slow: (bytes) => {
      state.slow = bytes;
    },
    hang: (hangs) => {
      state.hangs = hangs;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      cut();
      await closed;
    },
  };
}
