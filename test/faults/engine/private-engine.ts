import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";

const SCRIPT = join(import.meta.dirname, "../../support/services.sh");
const START_LIMIT_MS = 30_000;

/** An engine that nobody else uses: whatever is on it at the end, these tests left there, and it may be restarted. */
export class PrivateEngine implements AsyncDisposable {
  readonly folder: string;
  readonly socket: string;
  readonly docker: Docker;
  readonly #script: ChildProcess;
  readonly #argv: readonly string[];
  #daemon: ChildProcess | undefined;

  private constructor(folder: string, script: ChildProcess, argv: readonly string[]) {
    this.folder = folder;
    this.socket = join(folder, "docker.sock");
    this.docker = new Docker({ socketPath: this.socket });
    this.#script = script;
    this.#argv = argv;
  }

  static async open(): Promise<PrivateEngine> {
    // Not under TMPDIR: a unix socket path may have 107 bytes at most.
    const folder = await mkdtemp("/tmp/sandkeep-crash-");
    const script = spawn(SCRIPT, [folder], { detached: true, stdio: ["pipe", "pipe", "pipe"] });
    const errors = text(script.stderr);
    const [said] = await Promise.race([
      once(script.stdout, "data"),
      once(script, "exit").then(() => ["ended"]),
    ]);
    if (!String(said).startsWith("ready")) {
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      throw new Error(`no private engine: ${await errors}`);
    }
    const never = await readFile(join(folder, "docker.unavailable"), "utf8").catch(() => undefined);
    if (never !== undefined) {
      script.stdin.end();
      await once(script, "exit");
      throw new Error(`no private engine: ${never}`);
    }
    const line = await readFile(`/proc/${await pidIn(folder)}/cmdline`, "utf8");
    return new PrivateEngine(folder, script, line.split("\0").slice(0, -1));
  }

  /** Ends the daemon, by SIGKILL as if it had crashed, and brings it up again on what it left. */
  async restart(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await this.down(signal);
    await this.up();
  }

  /** Ends the daemon; nobody answers until `up`. */
  async down(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await this.#stop(signal);
  }

  async up(): Promise<void> {
    const [command = "dockerd", ...args] = this.#argv;
    const log = await open(join(this.folder, "docker.log"), "a");
    this.#daemon = spawn(command, args, { detached: true, stdio: ["ignore", log.fd, log.fd] });
    await log.close();
    const limit = Date.now() + START_LIMIT_MS;
    for (;;) {
      try {
        await this.docker.ping();
        return;
      } catch (cause) {
        if (Date.now() > limit) {
          const said = await readFile(join(this.folder, "docker.log"), "utf8");
          throw new Error(`the engine did not come back:\n${said.slice(-2000)}`, { cause });
        }
        await sleep(50);
      }
    }
  }

  async #stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    // The one that the daemon started goes with it; what both wrote there could keep the next from starting.
    for (const file of ["docker.pid", "docker.exec/containerd/containerd.pid"]) {
      const path = join(this.folder, file);
      const pid = await readFile(path, "utf8").then(Number, () => undefined);
      if (pid !== undefined && (await isAlive(pid))) process.kill(pid, signal);
      while (await isAlive(pid)) await sleep(20);
      await rm(path, { force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = await this.docker.listContainers({ all: true }).catch(() => []);
    await Promise.allSettled(
      left.map(({ Id }) => this.docker.getContainer(Id).remove({ force: true, v: true })),
    );
    if (this.#daemon !== undefined) await this.#stop("SIGTERM");
    this.#script.stdin?.end();
    if (this.#script.exitCode === null && this.#script.signalCode === null) await once(this.#script, "exit");
  }
}

async function pidIn(folder: string): Promise<number> {
  return Number(await readFile(join(folder, "docker.pid"), "utf8"));
}

/** A daemon that ended is gone although its parent, which waits for something else, did not look after it. */
export async function isAlive(pid: number | undefined): Promise<boolean> {
  if (pid === undefined) return false;
  const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return state !== undefined && !/\) Z /.test(state);
}
