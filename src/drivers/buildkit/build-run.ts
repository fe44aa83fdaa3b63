/** One build from its start to its end, and what can still be had of one that came to none. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SandkeepError } from "../../errors.ts";
import { unlessMissing } from "../../util/errno.ts";
import { signalExit } from "../../util/signal-exit.ts";
import type { BuildRequest, DriverDeps, ExecRequest, ExecResult } from "../driver.ts";
import type { Baseline } from "./baseline.ts";
import { takeBaseline } from "./baseline.ts";
import type { Bridge } from "./bridge.ts";
import type { BuildJob, ClientCall, FoundClient } from "./client.ts";
import type { Dialer } from "./dial.ts";
import { dockerfile, rescueDockerfile } from "./dockerfile.ts";
import { buildkitError, buildkitFailure, killedBy } from "./errors.ts";
import { hiddenOf, ignorePattern } from "./hidden.ts";
import { takeInput } from "./input.ts";
import { Progress } from "./progress.ts";
import type { Returned, Returning } from "./returned.ts";
import { readReturned } from "./returned.ts";
import type { BuildSpec } from "./spec.ts";

/** Variable of the client's environment that holds the command, which is so in no file and no argument. */
export const SECRET = "SANDKEEP_BUILD_COMMAND";
/** A client that was told to end is given so long: what it leads is to be gone within a second. */
const GRACE_MS = 400;
/** So long what a lost command wrote is asked for. */
const RESCUE_MS = 15_000;

export interface ExecContext {
  readonly dialer: Dialer;
  readonly found: FoundClient;
  readonly deps: DriverDeps;
}

export interface Job {
  readonly request: ExecRequest;
  readonly build: BuildRequest;
  readonly spec: BuildSpec;
  readonly script: string;
}

/** Owns the client and the bridge that it goes through. */
export class BuildRun {
  readonly #context: ExecContext;
  readonly #job: Job;
  readonly #bridge: Bridge;
  #client: ChildProcess | undefined;
  #ended: NodeJS.Signals | undefined;
  #late: NodeJS.Timeout | undefined;
  #result: Promise<ExecResult> | undefined;
  #hidden: readonly string[] = [];
  readonly #stop = new AbortController();

  constructor(context: ExecContext, job: Job, bridge: Bridge) {
    this.#context = context;
    this.#job = job;
    this.#bridge = bridge;
  }

  get result(): Promise<ExecResult> {
    return this.#result ?? Promise.reject(new Error("not started"));
  }

  /** Returns once the work goes on by itself; from then on it can be ended. */
  async start(): Promise<void> {
    const { deps } = this.#context;
    const { folder, address } = this.#bridge;
    const { spec } = this.#job;
    const nonce = deps.randomId();
    await Promise.all(["empty", "changed"].map((name) => mkdir(join(folder, name))));
    const source = spec.workspace.access === "none" ? undefined : spec.workspace.source;
    if (source !== undefined) await this.#hide(source);
    this.#result = this.#whole(source, {
      address,
      folder,
      nonce,
      context: source ?? join(folder, "empty"),
      network: spec.buildkit.network,
      secret: SECRET,
      input: [],
    });
    // A caller may look at the result late; until then a failure must not count as unhandled.
    this.#result.catch(() => undefined);
  }

  async #write(text: string): Promise<void> {
    await writeFile(join(this.#bridge.folder, "Dockerfile"), text);
  }

  /** The state directory is never part of a workspace: it is not sent, and what a command makes in its place stays there. */
  async #hide(source: string): Promise<void> {
    const { deps, found } = this.#context;
    const { sent, returned } = await hiddenOf(source, deps.stateDir);
    this.#hidden = returned;
    if (sent === undefined) return;
    if (sent === "" || !found.client.hides) {
      throw new SandkeepError(`the state directory ${deps.stateDir} is inside the workspace, which is sent`, {
        code: "BUILDKIT_STATE_IN_WORKSPACE",
        hint: `name another one with --state-dir${sent === "" ? "" : ", or use docker buildx"}`,
      });
    }
    const own = (await unlessMissing(readFile(join(source, ".dockerignore"), "utf8"))) ?? "";
    const text = `${own}\n${ignorePattern(sent)}\n`;
    await writeFile(join(this.#bridge.folder, "Dockerfile.dockerignore"), text);
  }

  async #whole(source: string | undefined, job: BuildJob): Promise<ExecResult> {
    const { client } = this.#context.found;
    const { request, spec } = this.#job;
    try {
      // First of all: what else is looked at then is as it was when the command began.
      const input = await takeInput(request.stdin, job.folder, this.#stop.signal);
      const { workspace } = client;
      await this.#write(dockerfile({ spec, nonce: job.nonce, workspace, inputs: input.length }));
      const prepare = client.prepare(job);
      const [baseline] = await Promise.all([
        source === undefined ? (new Map() satisfies Baseline) : takeBaseline(source),
        prepare === undefined ? undefined : this.#end(this.#spawn(prepare, false), new Progress()),
      ]);
      if (this.#ended !== undefined) return endedBy(this.#ended);
      return await this.#build({ ...job, input }, source, baseline);
    } catch (thrown) {
      if (this.#ended !== undefined) return endedBy(this.#ended);
      throw this.#bridge.failure ?? buildkitError("run the build", thrown);
    } finally {
      clearTimeout(this.#late);
      await this.#bridge[Symbol.asyncDispose]();
    }
  }

  async #build(job: BuildJob, source: string | undefined, baseline: Baseline): Promise<ExecResult> {
    const { build, spec } = this.#job;
    const progress = new Progress();
    const { told, read } = await this.#made(job, progress, {
      source: spec.workspace.access === "rw" ? source : undefined,
      baseline,
      folder: join(this.#bridge.folder, "changed"),
    });
    clearTimeout(this.#late);
    const lost = spec.workspace.access === "rw" ? { changesLost: true } : {};
    if (this.#ended !== undefined) {
      if (!progress.hasBegun(job.nonce)) return endedBy(this.#ended);
      await this.#rescue(job);
      return { ...endedBy(this.#ended), ...lost };
    }
    const killed = told.status === "rejected" ? killedBy(progress.failed, job.nonce) : undefined;
    if (killed !== undefined) {
      await this.#rescue(job);
      return { ...killed, ...lost };
    }
    // Why a client failed says more than that its output broke off.
    if (told.status === "rejected") throw told.reason;
    if (read.status === "rejected") throw read.reason;
    const { exitCode, changes, outOfMemory } = read.value;
    if (exitCode === undefined) throw buildkitFailure("run the build", "it ended without a result");
    await build.bringBack(changes);
    return { exitCode, ...(outOfMemory && exitCode === KILLED ? { because: "out-of-memory" } : {}) };
  }

  /** How one build ended, and what came of it. */
  async #made(
    job: BuildJob,
    progress: Progress,
    to: Pick<Returning, "source" | "baseline" | "folder">,
  ): Promise<{ told: PromiseSettledResult<void>; read: PromiseSettledResult<Returned> }> {
    const { stdout, stderr } = this.#job.request;
    const child = this.#spawn(this.#context.found.client.build(job), true);
    if (child.stdout === null) throw new Error("the client has no output");
    const ended = this.#end(child, progress);
    const reading = readReturned(child.stdout, { ...to, hidden: this.#hidden, stdout, stderr });
    const [told, read] = await Promise.allSettled([ended, reading]);
    return { told, read };
  }

  /** What the command wrote before the worker ended it; what cannot be had of it is lost, and no other failure. */
  async #rescue({ nonce: lost, ...job }: BuildJob): Promise<void> {
    await this.#job.build.over?.();
    const { folder } = this.#bridge;
    const { image } = this.#job.spec.buildkit;
    const nonce = this.#context.deps.randomId();
    const limit = setTimeout(() => this.#cut(), RESCUE_MS);
    try {
      await this.#write(rescueDockerfile({ image, lost, nonce }));
      await this.#made({ ...job, nonce, input: [], context: join(folder, "empty") }, new Progress(), {
        source: undefined,
        baseline: new Map(),
        folder: join(folder, "changed"),
      });
    } finally {
      clearTimeout(limit);
    }
  }

  #spawn({ args, env }: ClientCall, secret: boolean): ChildProcess {
    const { deps, found } = this.#context;
    const child = spawn(found.program, [...args], {
      cwd: this.#bridge.folder,
      env: { ...deps.env, ...env, ...(secret ? { [SECRET]: this.#job.script } : {}) },
      // Keys that end this process are forwarded; they must not reach the client as well.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (!secret) child.stdout.resume();
    this.#client = child;
    return child;
  }

  async #end(child: ChildProcess, progress: Progress): Promise<void> {
    child.stderr?.setEncoding("utf8").on("data", (text: string) => progress.push(text));
    const [code, signal]: unknown[] = await once(child, "close");
    if (code === 0) return;
    const said = progress.failure() || `the client ended with ${String(code ?? signal)}`;
    throw buildkitFailure("run the build", said, { log: progress.log });
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    const first = this.#ended === undefined;
    if (first) {
      this.#ended = name;
      this.#stop.abort();
      // With its connection a client that does not end loses the build, too.
      this.#late = setTimeout(() => this.#cut(), GRACE_MS);
      this.#late.unref();
      this.#client?.kill("SIGTERM");
    }
    if (name === "SIGKILL") this.#cut();
  }

  #cut(): void {
    this.#client?.kill("SIGKILL");
    this.#bridge.cut();
  }
}

const KILLED = signalExit("SIGKILL");

function endedBy(signal: NodeJS.Signals): ExecResult {
  return { exitCode: signalExit(signal) };
}
