/** Runs one program over one channel: sends its header, takes our own lines out of its streams, and tells how it ended. */
import type { Readable } from "node:stream";
import { PassThrough, Transform } from "node:stream";
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

interface Wire {
  readonly channel: Channel;
  readonly nonce: string;
  readonly tellsCode: boolean;
  readonly label: string;
}

export function runProgram(wire: Wire, request: RunRequest): Running {
  const { channel, nonce, tellsCode } = wire;
  const front = new Front(nonce, request.tty !== undefined);
  const tail = tellsCode ? new Tail(nonce) : undefined;
  const activity: Activity = { at: Date.now(), waiting: 0 };
  const text = header(request, { nonce, tellsCode, tty: request.tty !== undefined });
  if (request.tty === undefined) send(channel, text, request.stdin);
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
  channel.stdout.pipe(front);
  // On a terminal both streams are one, and our last line is in it.
  const onTerminal = request.tty !== undefined;
  const output = tail !== undefined && onTerminal ? front.pipe(tail) : front;
  const errors = tail !== undefined && !onTerminal ? channel.stderr.pipe(tail) : channel.stderr;
  const result = settle(wire, request, { front, tail, output, errors, activity });
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
  readonly tail: Tail | undefined;
  readonly output: Readable;
  readonly errors: Readable;
  readonly activity: Activity;
}

/** On a slow link what a command wrote last arrives long after the word that it ended. */
const QUIET_MS = 3_000;

async function settle(wire: Wire, request: RunRequest, parts: Parts): Promise<number> {
  const { channel, label } = wire;
  const { front, tail, output, errors, activity } = parts;
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
    const ended = await Promise.race([channel.ended, ...(tail === undefined ? [] : [tail.code])]);
    const stopWaiting = closeWhenQuiet([output, errors], activity, QUIET_MS);
    await pumps.finally(stopWaiting);
    if (!front.hasBegun) throw notBegun(label, ended, complaint.trim());
    const code = codeOf(ended, tail, label);
    // Output that ended by itself is whole only where the host said so, and not the end of the connection.
    if (output.readableEnded && errors.readableEnded) judgeEnd(await channel.closed, code, label);
    return code;
  } finally {
    request.stdin?.unpipe(channel.stdin);
    channel.close();
  }
}

function codeOf(ended: ChannelEnd | number, tail: Tail | undefined, label: string): number {
  if (typeof ended === "number") return ended;
  if (tail?.told !== undefined) return tail.told;
  // A transport whose codes may be its own has said nothing of the command's.
  if (ended.kind === "lost" || tail !== undefined) {
    throw lost(label, ended.kind === "lost" ? ended.why : `ssh ended with ${String(ended.code)}`);
  }
  return ended.code;
}

function judgeEnd(closed: ChannelEnd, code: number, label: string): void {
  if (closed.kind === "lost") throw lost(label, closed.why);
  if (closed.code !== code) throw lost(label, `ssh ended with ${String(closed.code)}`);
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

/** Takes our own last line out of a program's error stream. */
class Tail extends Transform {
  readonly code: Promise<number>;
  told: number | undefined;
  readonly #pattern: RegExp;
  readonly #keep: number;
  #held = Buffer.alloc(0);
  #tell: (code: number) => void = () => undefined;

  constructor(nonce: string) {
    super();
    this.#pattern = new RegExp(`${nonce} x (\\d+)\\r?\\n`);
    this.#keep = nonce.length + 16;
    this.code = new Promise((resolve) => (this.#tell = resolve));
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    const found = this.#pattern.exec(this.#held.toString("latin1"));
    if (found !== null) {
      const end = found.index + found[0].length;
      this.#held = Buffer.concat([this.#held.subarray(0, found.index), this.#held.subarray(end)]);
      this.told = Number(found[1]);
      this.#tell(this.told);
    }
    const out = this.told === undefined ? this.#held.length - this.#keep : this.#held.length;
    if (out > 0) {
      this.push(this.#held.subarray(0, out));
      this.#held = this.#held.subarray(out);
    }
    done();
  }

  override _flush(done: () => void): void {
    if (this.#held.length > 0) this.push(this.#held);
    done();
  }
}
