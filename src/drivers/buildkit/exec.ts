/** Runs one command as a build of its own: code and streams are what it made, and what it changed is handed back. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { constants as os } from "node:os";
import { join } from "node:path";
import { SandkeepError } from "../../errors.ts";
import { unlessMissing } from "../../util/errno.ts";
import type { BuildRequest, DriverDeps, ExecHandle, ExecRequest, ExecResult } from "../driver.ts";
import type { Baseline } from "./baseline.ts";
import { takeBaseline } from "./baseline.ts";
import type { Bridge } from "./bridge.ts";
import type { ClientCall, FoundClient } from "./client.ts";
import { bridgeFor } from "./client.ts";
import type { Dialer } from "./dial.ts";
import { commandScript, dockerfile } from "./dockerfile.ts";
import { buildkitError, buildkitFailure } from "./errors.ts";
import { hiddenOf, ignorePattern } from "./hidden.ts";
import { Progress } from "./progress.ts";
import { readReturned } from "./returned.ts";
import type { BuildSpec } from "./spec.ts";
import { readSpec } from "./spec.ts";

/** Variable of the client's environment that holds the command, which is so in no file and no argument. */
const SECRET = "SANDKEEP_BUILD_COMMAND";
/** What one variable of an environment can hold. */
const LONGEST_COMMAND = 128 * 1024 - SECRET.length - 2;
/** A client that was told to end is given so long. */
const GRACE_MS = 2_000;

export interface ExecContext {
  readonly dialer: Dialer;
  readonly found: FoundClient;
  readonly deps: DriverDeps;
}

export async function execute(context: ExecContext, request: ExecRequest): Promise<ExecHandle> {
  const { build } = request;
  if (build === undefined) {
    throw new SandkeepError("a build needs a spec", { code: "INTERNAL", blame: "tool" });
  }
  if (request.tty !== undefined) {
    throw new SandkeepError("a command of the buildkit backend has no terminal", {
      code: "BUILDKIT_NO_TERMINAL",
      hint: "use `sandkeep run -- CMD…`, or an agent of another backend",
    });
  }
  const spec = readSpec(build.spec);
  const script = scriptOf(request, spec);
  // A client would go on trying for a while, and tell less.
  (await context.dialer.dial()).destroy();
  const bridge = await bridgeFor(context.found, context.dialer);
  try {
    const run = new BuildRun(context, { request, build, spec, script }, bridge);
    await run.start();
    return {
      result: run.result,
      signal: (name) => run.signal(name),
      resize: async () => {},
    };
  } catch (thrown) {
    await bridge[Symbol.asyncDispose]();
    throw buildkitError("start the build", thrown);
  }
}

function scriptOf({ argv, env, cwd }: ExecRequest, spec: BuildSpec): string {
  const script = commandScript({ argv, env: { ...spec.env, ...env }, cwd: cwd ?? spec.workspace.target });
  if (Buffer.byteLength(script) <= LONGEST_COMMAND) return script;
  throw new SandkeepError("the command and its environment are longer than a build can be given (128 KiB)", {
    code: "BUILDKIT_COMMAND_TOO_LONG",
    hint: "put what is long into a file of the workspace",
  });
}

interface Job {
  readonly request: ExecRequest;
  readonly build: BuildRequest;
  readonly spec: BuildSpec;
  readonly script: string;
}

/** One build from its start to its end; owns the client and the bridge that it goes through. */
class BuildRun {
  readonly #context: ExecContext;
  readonly #job: Job;
  readonly #bridge: Bridge;
  readonly #progress = new Progress();
  #client: ChildProcess | undefined;
  #ended: NodeJS.Signals | undefined;
  #result: Promise<ExecResult> | undefined;
  #hidden: readonly string[] = [];

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
    const { deps, found } = this.#context;
    const { folder, address } = this.#bridge;
    const { spec } = this.#job;
    const nonce = deps.randomId();
    await Promise.all(["empty", "changed"].map((name) => mkdir(join(folder, name))));
    const text = dockerfile({ spec, nonce, workspace: found.client.workspace });
    await writeFile(join(folder, "Dockerfile"), text);
    const source = spec.workspace.access === "none" ? undefined : spec.workspace.source;
    if (source !== undefined) await this.#hide(source);
    this.#result = this.#whole(source, {
      address,
      folder,
      nonce,
      context: source ?? join(folder, "empty"),
      network: spec.buildkit.network,
      secret: SECRET,
    });
    // A caller may look at the result late; until then a failure must not count as unhandled.
    this.#result.catch(() => undefined);
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

  async #whole(
    source: string | undefined,
    job: Parameters<FoundClient["client"]["build"]>[0],
  ): Promise<ExecResult> {
    const { client } = this.#context.found;
    try {
      const [baseline] = await Promise.all([
        source === undefined ? (new Map() satisfies Baseline) : takeBaseline(source),
        this.#prepare(client.prepare(job)),
      ]);
      if (this.#ended !== undefined) return endedBy(this.#ended);
      return await this.#build(client.build(job), source, baseline);
    } catch (thrown) {
      if (this.#ended !== undefined) return endedBy(this.#ended);
      throw this.#bridge.failure ?? buildkitError("run the build", thrown);
    } finally {
      await this.#bridge[Symbol.asyncDispose]();
    }
  }

  async #prepare(call: ClientCall | undefined): Promise<void> {
    if (call === undefined) return;
    const child = this.#spawn(call, false);
    await this.#end(child);
  }

  async #build(call: ClientCall, source: string | undefined, baseline: Baseline): Promise<ExecResult> {
    const { request, build, spec } = this.#job;
    const child = this.#spawn(call, true);
    const { stdout } = child;
    if (stdout === null) throw new Error("the client has no output");
    const ended = this.#end(child);
    const reading = readReturned(stdout, {
      source: spec.workspace.access === "rw" ? source : undefined,
      baseline,
      hidden: this.#hidden,
      folder: join(this.#bridge.folder, "changed"),
      stdout: request.stdout,
      stderr: request.stderr,
    });
    // Why a client failed says more than that its output broke off.
    const [told, read] = await Promise.allSettled([ended, reading]);
    if (this.#ended !== undefined) return endedBy(this.#ended);
    if (told.status === "rejected") throw told.reason;
    if (read.status === "rejected") throw read.reason;
    const { exitCode, changes } = read.value;
    if (exitCode === undefined) throw buildkitFailure("run the build", "it ended without a result");
    await build.bringBack(changes);
    return { exitCode };
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
    child.stderr.setEncoding("utf8").on("data", (text: string) => this.#progress.push(text));
    if (!secret) child.stdout.resume();
    this.#client = child;
    return child;
  }

  async #end(child: ChildProcess): Promise<void> {
    const [code, signal]: unknown[] = await once(child, "close");
    if (code === 0) return;
    const { log } = this.#progress;
    const said = this.#progress.failure() || `the client ended with ${String(code ?? signal)}`;
    throw buildkitFailure("run the build", said, { log });
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    if (this.#ended === undefined) {
      this.#ended = name;
      // With its connection a client that does not end loses the build, too.
      setTimeout(() => this.#cut(), GRACE_MS).unref();
    }
    this.#client?.kill("SIGTERM");
    if (name === "SIGKILL") this.#cut();
  }

  #cut(): void {
    this.#client?.kill("SIGKILL");
    this.#bridge.cut();
  }
}

/** What it printed and changed until then is lost with the build. */
function endedBy(signal: NodeJS.Signals): ExecResult {
  return { exitCode: 128 + os.signals[signal] };
}
