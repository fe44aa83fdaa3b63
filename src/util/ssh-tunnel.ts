import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SandkeepError } from "../errors.ts";

/** A unix socket of another machine. */
export interface SshEndpoint {
  readonly destination: string;
  readonly port?: number;
  readonly socket: string;
}

/** Codes of the backend whose engine is behind it. */
export interface SshCodes {
  readonly denied: string;
  readonly unreachable: string;
}

type Env = Readonly<Record<string, string | undefined>>;

const UP_TIMEOUT_MS = 30_000;

/**
 * One persistent `ssh -N -L` for an engine behind SSH: a connection per request would cost 190 ms each and fail under
 * parallelism. The system's ssh brings the user's config, agent, certificates and known hosts; it asks nothing.
 */
export class SshTunnel implements AsyncDisposable {
  readonly #endpoint: SshEndpoint;
  readonly #codes: SshCodes;
  readonly #env: Env;
  #folder: string | undefined;
  #child: ChildProcess | undefined;
  #opening: Promise<string> | undefined;

  constructor(endpoint: SshEndpoint, env: Env, codes: SshCodes) {
    this.#endpoint = endpoint;
    this.#codes = codes;
    this.#env = env;
  }

  /** Path of the local socket, with a living ssh behind it; a tunnel that broke is opened again. */
  async socket(): Promise<string> {
    if (this.#opening === undefined) {
      const opening = this.#open();
      this.#opening = opening;
      opening.catch(() => this.#forget(opening));
    }
    return this.#opening;
  }

  #forget(opening: Promise<string> | undefined): void {
    if (this.#opening === opening) this.#opening = undefined;
  }

  async #open(): Promise<string> {
    this.#folder ??= await mkdtemp(join(tmpdir(), "sandkeep-ssh-"));
    const socket = join(this.#folder, "engine.sock");
    await rm(socket, { force: true });
    const child = spawn("ssh", sshArguments(this.#endpoint, socket), {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...this.#env },
    });
    this.#child = child;
    let said = "";
    let failure: Error | undefined;
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-2000);
    });
    child.once("error", (error) => {
      failure = error;
    });
    const deadline = performance.now() + UP_TIMEOUT_MS;
    while (performance.now() < deadline) {
      if (failure !== undefined || child.exitCode !== null || child.signalCode !== null) break;
      if (await answers(socket)) {
        const opening = this.#opening;
        child.once("exit", () => this.#forget(opening));
        return socket;
      }
      await sleep(25);
    }
    child.kill("SIGKILL");
    throw sshFailure(this.#endpoint, failure?.message ?? said.trim(), this.#codes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that is still being opened has no child yet, and must not outlive us either.
    await this.#opening?.catch(() => undefined);
    const child = this.#child;
    this.#child = undefined;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await Promise.race([ended, sleep(2000, undefined, { ref: false })]);
      child.kill("SIGKILL");
    }
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }
}

function sshArguments(endpoint: SshEndpoint, socket: string): string[] {
  const options = {
    BatchMode: "yes",
    ExitOnForwardFailure: "yes",
    StreamLocalBindUnlink: "yes",
    StreamLocalBindMask: "0177",
    ConnectTimeout: "15",
    ServerAliveInterval: "15",
    ServerAliveCountMax: "3",
    // A shared master would live on after us and ignore what is asked here.
    ControlMaster: "no",
    ControlPath: "none",
    ForwardAgent: "no",
    ForwardX11: "no",
  };
  return [
    "-N",
    "-T",
    ...Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]),
    ...(endpoint.port === undefined ? [] : ["-p", String(endpoint.port)]),
    "-L",
    `${socket}:${endpoint.socket}`,
    "--",
    endpoint.destination,
  ];
}

async function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

function sshFailure(endpoint: SshEndpoint, said: string, codes: SshCodes): SandkeepError {
  const denied = /permission denied|host key verification failed|identification has changed/i.test(said);
  const why = said === "" ? "no answer" : said;
  return new SandkeepError(`ssh to ${endpoint.destination} failed: ${why}`, {
    code: denied ? codes.denied : codes.unreachable,
    kind: denied ? "denied" : "unreachable",
    blame: "backend",
    hint: denied
      ? `check \`ssh ${endpoint.destination}\`: it must work without a question, with a known host key`
      : "check that the host is up and that its name and port are right",
  });
}
