/**
 * The way to a host: in come programs (a constant shell script, its arguments and variables, streams, a terminal), out
 * come their exact exit codes; also streams to unix sockets of the host. It knows nothing of sandboxes.
 */
import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, SandkeepError } from "../errors.ts";
import { latest } from "../util/latest.ts";
import type { Access } from "./access.ts";
import { TIMING } from "./access.ts";
import { beginKept } from "./kept.ts";
import { Lanes } from "./lanes.ts";
import type { Begun, RunRequest, Running } from "./process.ts";
import { runProgram } from "./process.ts";
import type { Program } from "./program.ts";
import { bootstrap, END_SCRIPT, SIGNAL_SCRIPT } from "./program.ts";
import type { Channel, Forwarded, TerminalSize, Transport } from "./transport.ts";
import { BUSY } from "./transport.ts";

export type { RunRequest } from "./process.ts";
export type { TerminalSize } from "./transport.ts";

export interface RemoteProcess {
  /** Its own exit code, 128 + n for signal n. Rejects when it is not known: never success for a lost connection. */
  readonly result: Promise<number>;
  /** Signals it and all that runs below it. */
  signal(name: NodeJS.Signals): Promise<void>;
  /** Sizes its terminal; of several at once the last one wins. */
  resize(size: TerminalSize): Promise<void>;
  /** For one whose end is not known: ends it, and tells whether it is certain that nothing of it runs. */
  end(): Promise<boolean>;
  /** Hangs up: nobody hears of it any more. */
  close(): void;
}

export interface ScriptRequest extends Program {
  readonly stdin?: Readable;
  /** Milliseconds after which the host counts as one that hangs. */
  readonly timeoutMs?: number;
  /** Most bytes of output; a host that says more is cut off. */
  readonly most?: number;
  /** It changes nothing, so that it may be tried again when the connection was lost. */
  readonly reads?: boolean;
}

export interface ScriptResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Connection extends AsyncDisposable {
  /** As people know the host: `ci@build1`. */
  readonly label: string;
  run(request: RunRequest): Promise<RemoteProcess>;
  /** Runs a script to its end and gives what it said. */
  script(request: ScriptRequest): Promise<ScriptResult>;
  forward(socket: string): Promise<Forwarded>;
}

const SCRIPT_MS = 120_000;
const MOST_OUTPUT = 64 * 1024 * 1024;
const BUSY_TRIES = 8;
const END_MS = 20_000;
/** From a channel to the first word of what runs on it. */
const BEGIN_MS = TIMING.connectMs;

export type Connect = (access: Access) => Promise<Transport>;

export function connectionOf(label: string, access: () => Promise<Access>, connect: Connect): Connection {
  let known: Promise<Access> | undefined;
  const facts = async (): Promise<Access> => {
    // A key that could not be read may be there the next time.
    known ??= access().catch((thrown: unknown) => {
      known = undefined;
      throw thrown;
    });
    return known;
  };
  const lanes = new Lanes(async () => connect(await facts()));
  const connection: Connection = {
    label,
    run: async (request) => start(lanes, label, request),
    script: async (request) => {
      try {
        return await runScript(lanes, label, request);
      } catch (thrown) {
        if (request.reads !== true || !isLost(thrown)) throw thrown;
        return await runScript(lanes, label, request);
      }
    },
    forward: async (socket) => {
      const slot = await lanes.take("streams");
      const forwarded = await slot.transport.forward(socket).catch((thrown: unknown) => {
        slot.release();
        throw thrown;
      });
      forwarded.stream.once("close", () => slot.release());
      return forwarded;
    },
    [Symbol.asyncDispose]: async () => lanes[Symbol.asyncDispose](),
  };
  return connection;
}

function isLost(thrown: unknown): boolean {
  return hasCode(thrown, "SSH_LOST");
}

interface Opened {
  readonly running: Running;
  readonly begun: Begun;
  readonly channel: Channel;
}

/** Opens a channel and runs a program on it, on another connection or later where the host allows no more for now. */
async function open(lanes: Lanes, label: string, request: RunRequest, stop?: AbortSignal): Promise<Opened> {
  for (let tries = 1; ; tries += 1) {
    stop?.throwIfAborted();
    const slot = await lanes.take();
    const nonce = randomBytes(8).toString("hex");
    let channel: Channel | undefined;
    const abandon = (): void => {
      channel?.close();
      slot.discard();
    };
    try {
      const { transport } = slot;
      stop?.throwIfAborted();
      stop?.addEventListener("abort", abandon, { once: true });
      channel = await transport.open(bootstrap({ nonce, tty: request.tty !== undefined }), request.tty);
      // Nothing runs that nobody waits for: until now the host has not been told what.
      if (stop?.aborted === true) channel.close();
      stop?.throwIfAborted();
      const wire = { channel, nonce, label, tellsCode: transport.tellsCode };
      const running = runProgram(wire, request);
      const release = (): void => slot.release();
      running.result.then(release, release);
      const begins = running.begun.catch(async (thrown: unknown) => {
        // Why it never began is what its end says.
        await running.result;
        throw thrown;
      });
      return { running, begun: await inTime(begins, channel, label), channel };
    } catch (thrown) {
      slot.release();
      const busy = hasCode(thrown, BUSY);
      if (!busy || tries >= BUSY_TRIES) throw thrown;
      if (tries > 1) slot.narrow();
      await sleep(20 * 2 ** tries * (0.5 + Math.random()));
    }
  }
}

/** A host that opens a channel and then says nothing is one that hangs. */
async function inTime<T>(begins: Promise<T>, channel: Channel, label: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      channel.close();
      reject(hangs(label, BEGIN_MS));
    }, BEGIN_MS);
  });
  return Promise.race([begins, late]).finally(() => clearTimeout(timer));
}

/** The same as `open`, for a command that goes on over as many connections as it takes. */
async function openKept(lanes: Lanes, label: string, request: RunRequest, folder: string): Promise<Opened> {
  const script = async (text: string, args: readonly string[]): Promise<unknown> =>
    runScript(lanes, label, { script: text, args });
  const attach = async (attaching: RunRequest) => {
    const { running, channel } = await open(lanes, label, attaching);
    return { result: running.result, close: () => channel.close() };
  };
  return beginKept({ label, folder, attach, script }, request);
}

async function start(lanes: Lanes, label: string, request: RunRequest): Promise<RemoteProcess> {
  const { running, begun, channel } =
    request.keptIn === undefined
      ? await open(lanes, label, request)
      : await openKept(lanes, label, request, request.keptIn);
  let ended = false;
  const over = (): void => {
    ended = true;
  };
  running.result.then(over, over);
  const resize = latest(async (size: TerminalSize) => {
    if (ended || request.tty === undefined) return;
    if (channel.resize !== undefined) channel.resize(size);
    else await sizeThere(lanes, label, begun.terminal, size);
  });
  return {
    result: running.result,
    signal: async (name) => {
      if (ended) return;
      const args = [begun.pid, name.replace(/^SIG/, ""), begun.watch];
      await runScript(lanes, label, { script: SIGNAL_SCRIPT, args });
    },
    resize,
    end: async () => {
      const args = [begun.pid, begun.watch];
      const { code } = await runScript(lanes, label, { script: END_SCRIPT, args, timeoutMs: END_MS });
      return code === 0;
    },
    close: () => channel.close(),
  };
}

async function sizeThere(lanes: Lanes, label: string, terminal: string, size: TerminalSize): Promise<void> {
  const args = [terminal, String(size.rows), String(size.columns)];
  await runScript(lanes, label, { script: 'stty rows "$2" cols "$3" <"$1"', args });
}

async function runScript(lanes: Lanes, label: string, request: ScriptRequest): Promise<ScriptResult> {
  const { stdin, timeoutMs = SCRIPT_MS, most = MOST_OUTPUT, ...program } = request;
  const stdout = new Collector(most);
  const stderr = new Collector(64 * 1024);
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const why = hangs(label, timeoutMs);
      reject(why);
      stop.abort(why);
    }, timeoutMs);
  });
  const done = async (): Promise<ScriptResult> => {
    const input = stdin === undefined ? {} : { stdin };
    const opened = await open(lanes, label, { ...program, ...input, stdout, stderr }, stop.signal);
    const code = await opened.running.result;
    if (stdout.overflowed) throw tooMuch(label, most);
    return { code, stdout: stdout.bytes(), stderr: stderr.bytes().toString() };
  };
  try {
    return await Promise.race([done(), late]);
  } finally {
    clearTimeout(timer);
  }
}

class Collector extends Writable {
  overflowed = false;
  readonly #most: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(most: number) {
    super();
    this.#most = most;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#size += chunk.length;
    if (this.#size > this.#most) this.overflowed = true;
    else this.#chunks.push(chunk);
    done();
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

function hangs(label: string, ms: number): SandkeepError {
  return new SandkeepError(`${label} did not answer within ${String(Math.round(ms / 1000))} s`, {
    code: "SSH_HANGS",
    kind: "unreachable",
    blame: "backend",
    hint: "look at the load of the host and the network to it",
  });
}

function tooMuch(label: string, most: number): SandkeepError {
  return new SandkeepError(`${label} answered with more than ${String(most)} bytes`, {
    code: "SSH_ANSWER_TOO_LARGE",
    blame: "backend",
    hint: "look at what lies in its sandbox folders",
  });
}
