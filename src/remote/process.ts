/** Runs one program over one channel: sends its header, takes our own lines out of its streams, and tells how it ended. */
import type { Readable } from "node:stream";
import { PassThrough, pipeline, Transform } from "node:stream";
import type { Writable } from "node:stream";
import { SandkeepError } from "../errors.ts";
import type { Activity } from "../util/pump.ts";
import { closeWhenQuiet, pump } from "../util/pump.ts";
import { lost } from "./errors.ts";
import type { Program } from "./program.ts";
import { header } from "./program.ts";
import type { Channel, ChannelEnd, TerminalSize } from "./transport.ts";
import { BUSY } from "./transport.ts";

export interface Streams {
  readonly stdin?: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export interface RunRequest extends Program, Streams {
  readonly tty?: TerminalSize;
  /** Folder to be made on the host, where it is kept over lost connections; not for one with a terminal. */
  readonly keptIn?: string;
}

/** What the program's shell said of itself when it began. */
export interface Begun {
  readonly pid: string;
  readonly watch: string;
  /** Path of its terminal on the host. */
  readonly terminal: string;
}

export interface Running {
  /** Rejects when the program never began. */
  readonly begun: Promise<Begun>;
  /** Its own exit code, 128 + n for signal n. Rejects when it is not known. */
  readonly result: Promise<number>;
}

export interface Wire {
  readonly channel: Channel;
  readonly nonce: string;
  readonly tellsCode: boolean;
  readonly label: string;
}

export function runProgram(wire: Wire, request: RunRequest): Running {
  const { channel, nonce } = wire;
  const tty = request.tty !== undefined;
  const front = new Front(nonce, tty);
  const text = header(request, { nonce, tty });
  if (!tty) send(channel, text, request.stdin);
  else {
    front.ready.then(
      () => channel.stdin.write(text),
      () => undefined,
    );
    front.begun.then(
      () => type(channel, request.stdin),
      () => undefined,
    );
  }
  // On a terminal both streams are one.
  const output = new Tail(nonce);
  const errors = tty ? undefined : new Tail(nonce);
  pipeline([channel.stdout, front, output], () => undefined);
  if (errors !== undefined) pipeline([channel.stderr, errors], () => undefined);
  const told = Promise.all([output.code, ...(errors === undefined ? [] : [errors.code])]);
  const parts = { front, output, errors: errors ?? channel.stderr, told: told.then(([code]) => code) };
  const result = settle(wire, request, parts);
  result.catch(() => undefined);
  front.begun.catch(() => undefined);
  return { begun: front.begun, result };
}

function send(channel: Channel, text: string, stdin: Readable | undefined): void {
  channel.stdin.write(text);
  feed(channel, stdin);
}

/** A command may end without reading its input; that is its right. Input that breaks off has ended. */
function feed(channel: Channel, stdin: Readable | undefined): void {
  channel.stdin.on("error", () => undefined);
  // What broke off before anybody listened tells it no second time.
  if (stdin === undefined || stdin.destroyed) {
    channel.stdin.end();
    return;
  }
  stdin.once("error", () => channel.stdin.end());
  stdin.pipe(channel.stdin);
}

const END_OF_INPUT = "\u0004";

/** The end of a terminal's input is a character; to close it would hang the terminal up. */
function type(channel: Channel, stdin: Readable | undefined): void {
  channel.stdin.on("error", () => undefined);
  if (stdin === undefined) return;
  const end = (): void => void channel.stdin.write(END_OF_INPUT);
  stdin.once("end", end);
  stdin.once("error", end);
  stdin.pipe(channel.stdin, { end: false });
}

interface Parts {
  readonly front: Front;
  readonly output: Readable;
  readonly errors: Readable;
  /** Its code, once all that it wrote has been read. */
  readonly told: Promise<number>;
}

const SLOW_TICKS = 60;

async function settle(wire: Wire, request: RunRequest, parts: Parts): Promise<number> {
  const { channel, label } = wire;
  const { front, output, errors, told } = parts;
  const activity: Activity = { at: 0, waiting: 0 };
  const noise = new PassThrough();
  // What the login shell complains about, and nobody else would tell.
  let complaint = "";
  noise.setEncoding("utf8").on("data", (said: string) => (complaint = (complaint + said).slice(-500)));
  const pumps = Promise.all([
    pump(output, request.stdout, activity),
    front.begun.then(
      () => pump(errors, request.stderr, activity),
      () => pump(errors, noise, activity),
    ),
  ]);
  pumps.catch(() => undefined);
  try {
    const ended = await Promise.race([told, endOf(channel, pumps)]);
    const stopWaiting = closeWhenQuiet(
      [output, errors],
      activity,
      request.stderr,
      channel.slowEnd === true ? SLOW_TICKS : undefined,
    );
    await pumps.finally(stopWaiting);
    if (!front.hasBegun) throw notBegun(label, ended, (complaint || front.said()).trim());
    // What it left running may have ended by itself with it, or been cut off.
    if (output.readableEnded && errors.readableEnded) judgeEnd(await channel.closed, label);
    return codeOf(ended, wire);
  } finally {
    request.stdin?.unpipe(channel.stdin);
    channel.close();
  }
}

/** The end of a program that does not tell it itself: of its streams, or of the shell that would have told. */
async function endOf(channel: Channel, pumps: Promise<unknown>): Promise<ChannelEnd> {
  const killed = channel.ended.then(async (end) => (end.kind === "killed" ? end : pumps.then(() => end)));
  return Promise.race([killed, pumps.then(async () => channel.ended)]);
}

function codeOf(ended: ChannelEnd | number, { label, tellsCode }: Wire): number {
  if (typeof ended === "number") return ended;
  if (ended.kind === "lost") throw lost(label, ended.why);
  // Success is what the program tells itself, and a transport's code may be its own.
  if (tellsCode || ended.code === 0) throw lost(label, `ssh ended with ${String(ended.code)}`);
  return ended.code;
}

function judgeEnd(closed: ChannelEnd, label: string): void {
  if (closed.kind === "lost") throw lost(label, closed.why);
}

function notBegun(label: string, ended: ChannelEnd | number, complaint: string): SandkeepError {
  if (/session open refused|mux_client_request_session|open failed/i.test(complaint)) {
    return new SandkeepError(`${label} allows no more sessions on one connection`, {
      code: BUSY,
      kind: "transient",
      hint: "raise MaxSessions in the host's sshd_config, or run less at once",
    });
  }
  if (typeof ended !== "number" && ended.kind === "lost") return lost(label, ended.why);
  const why = complaint === "" ? "its login shell ended at once" : complaint;
  return new SandkeepError(`${label} runs no commands: ${why}`, {
    code: "SSH_NO_SHELL",
    kind: "denied",
    blame: "backend",
    hint: "the account needs a login shell that runs commands, and /bin/sh",
  });
}

/** What a login shell's start-up files may say before our own line. */
const MOST_NOISE = 1024 * 1024;

/** Takes everything up to our own line out of a program's output. */
class Front extends Transform {
  readonly begun: Promise<Begun>;
  readonly ready: Promise<void>;
  hasBegun = false;
  readonly #nonce: string;
  #held = Buffer.alloc(0);
  #begin: (begun: Begun) => void = () => undefined;
  #ready: () => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  constructor(nonce: string, waits: boolean) {
    super();
    this.#nonce = nonce;
    this.ready = new Promise((resolve) => {
      this.#ready = resolve;
      if (!waits) resolve();
    });
    this.begun = new Promise((resolve, reject) => {
      this.#begin = resolve;
      this.#fail = reject;
    });
    this.once("close", () => this.#fail(new Error("it never began")));
  }

  /** What came instead of our own line; on a terminal that is where complaints are. */
  said(): string {
    return this.#held.toString("utf8").slice(-500);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    if (this.hasBegun) {
      this.push(chunk);
      return done();
    }
    this.#held = Buffer.concat([this.#held, chunk]);
    const text = this.#held.toString("latin1");
    if (text.includes(`${this.#nonce} r\n`)) this.#ready();
    const found = new RegExp(`${this.#nonce} o (\\S+) (\\S+) ([^\\r\\n]+)\\r?\\n`).exec(text);
    if (found === null) return done(text.length > MOST_NOISE ? new Error("too much output") : undefined);
    const [whole, pid = "", watch = "", terminal = ""] = found;
    this.hasBegun = true;
    this.#begin({ pid, watch, terminal });
    const rest = this.#held.subarray(found.index + whole.length);
    this.#held = Buffer.alloc(0);
    if (rest.length > 0) this.push(rest);
    done();
  }
}

/** Takes our own last line out of a program's stream. */
class Tail extends Transform {
  readonly code: Promise<number>;
  readonly #mark: Buffer;
  #held = Buffer.alloc(0);
  #tell: ((code: number) => void) | undefined;

  constructor(nonce: string) {
    super();
    this.#mark = Buffer.from(`${nonce} x `);
    this.code = new Promise((resolve) => (this.#tell = resolve));
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    const out = this.#tell === undefined ? this.#held.length : this.#look(this.#tell);
    if (out > 0) this.push(this.#held.subarray(0, out));
    this.#held = this.#held.subarray(out);
    done();
  }

  /** How much of what is held is no line of ours. A prompt waits for nothing: only what may become our line does. */
  #look(tell: (code: number) => void): number {
    const held = this.#held;
    const at = held.indexOf(this.#mark);
    if (at < 0) {
      let most = Math.min(this.#mark.length - 1, held.length);
      while (!held.subarray(held.length - most).equals(this.#mark.subarray(0, most))) most -= 1;
      return held.length - most;
    }
    const from = at + this.#mark.length;
    const [line = "", code] = /^(\d{1,3})\r?\n/.exec(held.toString("latin1", from, from + 5)) ?? [];
    if (code === undefined) return held.length < from + 5 ? at : held.length;
    this.#held = Buffer.concat([held.subarray(0, at), held.subarray(from + line.length)]);
    this.#tell = undefined;
    tell(Number(code));
    return this.#held.length;
  }

  override _flush(done: () => void): void {
    if (this.#held.length > 0) this.push(this.#held);
    done();
  }
}
