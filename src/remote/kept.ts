/**
 * A command that outlives its connection. In: a way to run a script on the host, again and again. Out: one channel to a
 * command that goes on over all of them: each byte of its streams once, in order, and an end only where it is known.
 */
import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { PassThrough, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { hasKind } from "../errors.ts";
import { elapsed } from "../util/elapsed.ts";
import { ACK, ATTACH, CLEAN, KEPT, MOST_WAITING } from "./kept-scripts.ts";
import type { RunRequest } from "./process.ts";
import { runProgram } from "./process.ts";
import type { Channel, ChannelEnd } from "./transport.ts";

export interface Attached {
  readonly result: Promise<number>;
  readonly close: () => void;
}

export interface Host {
  readonly label: string;
  /** Where it is kept there. */
  readonly folder: string;
  readonly attach: (request: RunRequest) => Promise<Attached>;
  readonly script: (script: string, args: readonly string[]) => Promise<unknown>;
}

/** Milliseconds that a connection may be away; shorter than the host waits. */
const PATIENCE_MS = 240_000;
const PAUSE_MS = 500;
const MOST_PAUSE_MS = 10_000;
/** Bytes of input that are kept to be sent again. */
const MOST_INPUT = 1024 * 1024;
const ACK_EVERY = MOST_WAITING / 8;

const ENDS: Readonly<Record<number, string>> = {
  [KEPT.gone]: "it is not there any more",
  [KEPT.cannotWrite]: "the host cannot write the folder that its output is kept in",
  [KEPT.notKept]: "the host could not keep its output",
  [KEPT.inputLost]: "more of its input was lost on the way than can be sent again",
  [KEPT.noSetsid]: 'on_disconnect = "reattach" needs the program setsid there (Debian: util-linux)',
};

export async function beginKept(host: Host, request: RunRequest) {
  const channel = keptChannel(host, elapsed);
  const nonce = randomBytes(8).toString("hex");
  const running = runProgram({ channel, nonce, label: host.label, tellsCode: true }, request);
  const clean = async (): Promise<void> => {
    await host.script(CLEAN, [host.folder]).catch(() => undefined);
  };
  const finish = async (): Promise<number> => {
    try {
      const code = await running.result;
      await clean();
      return code;
    } catch (thrown) {
      void clean();
      throw thrown;
    }
  };
  const result = finish();
  result.catch(() => undefined);
  const begun = await running.begun.catch(async (thrown: unknown) => {
    // Why it never began is what its end says.
    await result;
    throw thrown;
  });
  return { running: { ...running, result }, begun, channel };
}

/** `now` in milliseconds, of a clock that nobody sets. */
export function keptChannel(host: Host, now: () => number): Channel {
  const { folder } = host;
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const input = new Input();
  const [out, err] = [new Counted(stdout), new Counted(stderr)];
  const state: { closed: boolean; attached?: Attached } = { closed: false };
  const acks = acknowledging(host, out, err);
  const follow = async (): Promise<ChannelEnd> => {
    // Since when the host is away; nothing while it is there.
    let away: number | undefined;
    for (let tries = 0; ; tries += 1) {
      const before = out.count + err.count;
      const id = randomBytes(8).toString("hex");
      const args = [folder, id, String(out.count), String(err.count), out.count === 0 ? "begin" : ""];
      try {
        const streams = { stdin: input.again(), stdout: out.sink(acks), stderr: err.sink(acks) };
        state.attached = await host.attach({ script: ATTACH, args, ...streams });
        away = undefined;
        if (state.closed) state.attached.close();
        const code = await state.attached.result;
        if (code === 0) return { kind: "exited", code };
        // Somebody else is attached, or sshd ended what sent the output: it is there all the same.
        if (code !== 1) return { kind: "lost", why: ENDS[code] ?? `it was cut off with ${String(code)}` };
      } catch (thrown) {
        if (!comesBack(thrown)) return { kind: "lost", why: String(thrown) };
        away ??= now();
        if (now() - away > PATIENCE_MS) return { kind: "lost", why: "the host did not come back" };
      }
      if (state.closed) return { kind: "lost", why: "it was closed" };
      if (out.count + err.count > before) tries = 0;
      await sleep(Math.min(PAUSE_MS * 2 ** tries, MOST_PAUSE_MS) * (0.5 + Math.random() / 2));
    }
  };
  const ended = follow().finally(() => {
    stdout.end();
    stderr.end();
  });
  return {
    stdin: input,
    stdout,
    stderr,
    ended,
    closed: ended,
    slowEnd: true,
    close: () => {
      if (state.closed) return;
      state.closed = true;
      state.attached?.close();
    },
  };
}

function comesBack(thrown: unknown): boolean {
  return hasKind(thrown, "unreachable", "transient");
}

/** One at a time; what is not told now is told with the next one, or with the next connection. */
function acknowledging(host: Host, out: Counted, err: Counted): () => void {
  let [told, busy] = [0, false];
  return () => {
    const all = out.count + err.count;
    if (busy || all - told < ACK_EVERY) return;
    busy = true;
    const ack = async (): Promise<void> => {
      await host.script(ACK, [host.folder, String(out.count), String(err.count)]).catch(() => undefined);
      told = all;
      busy = false;
    };
    void ack();
  };
}

/** Counts what it passes on, over all connections. */
class Counted {
  count = 0;
  readonly #to: PassThrough;

  constructor(to: PassThrough) {
    this.#to = to;
  }

  sink(onMore: () => void): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.count += chunk.length;
        onMore();
        if (this.#to.destroyed || this.#to.write(chunk)) return done();
        const go = (): void => {
          this.#to.off("drain", go);
          this.#to.off("close", go);
          done();
        };
        this.#to.on("drain", go);
        this.#to.on("close", go);
      },
    });
  }
}

/** Input in frames that say where they begin, and what is needed to send it again. */
class Input extends Writable {
  #sent: { readonly at: number; readonly bytes: Buffer }[] = [];
  #kept = 0;
  #total = 0;
  #over = false;
  #frames: PassThrough | undefined;

  /** The frames of a connection: what is known so far, and then whatever comes. */
  again(): Readable {
    const frames = new PassThrough();
    // Whoever wrote last must not wait for a connection that is gone.
    this.#frames?.destroy();
    this.#frames = frames;
    for (const { at, bytes } of this.#sent) frame(frames, at, bytes);
    if (this.#over) frames.write(`e ${String(this.#total)}\n`);
    return frames;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const at = this.#total;
    this.#total += chunk.length;
    this.#kept += chunk.length;
    this.#sent.push({ at, bytes: chunk });
    while (this.#kept > MOST_INPUT && this.#sent.length > 1)
      this.#kept -= this.#sent.shift()?.bytes.length ?? 0;
    const frames = this.#frames;
    if (frames === undefined || frames.destroyed || frame(frames, at, chunk)) return done();
    const go = (): void => {
      frames.off("drain", go);
      frames.off("close", go);
      done();
    };
    frames.on("drain", go);
    frames.on("close", go);
  }

  override _final(done: () => void): void {
    this.#over = true;
    if (this.#frames?.destroyed === false) this.#frames.write(`e ${String(this.#total)}\n`);
    done();
  }
}

function frame(to: Writable, at: number, bytes: Buffer): boolean {
  to.write(`i ${String(at)} ${String(bytes.length)}\n`);
  return to.write(bytes);
}
