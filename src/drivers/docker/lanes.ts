import { once } from "node:events";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { WholeAnswer } from "./answer.ts";
import { AnswerParser } from "./answer.ts";

/** Makes a connection to the engine. */
export type Dial = () => Duplex | Promise<Duplex>;

/** An exchange with a short text each way. */
export interface ShortExchange {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
}

const CLOSED: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

/** The engine ended an idle connection just as it was used again: what was asked never reached it. */
class ClosedWhileIdle extends Error {}

/**
 * Connections to an engine. Node's own client takes half a millisecond of CPU a call and 10 to load; a
 * plan makes one call a runtime, and a `run` should cost little more than the command does.
 */
export class Lanes implements Disposable {
  /** They do not keep the process alive. */
  readonly #idle = new Set<Duplex>();

  /** A read, over a connection that is kept for the next one. */
  async read(dial: Dial, wanted: ShortExchange): Promise<WholeAnswer> {
    const [known] = this.#idle;
    if (known === undefined) return this.#readOver(await this.#open(dial, wanted), wanted, false);
    this.#idle.delete(known);
    try {
      return await this.#readOver(known, wanted, true);
    } catch (thrown) {
      if (!(thrown instanceof ClosedWhileIdle)) throw thrown;
      return this.#readOver(await this.#open(dial, wanted), wanted, false);
    }
  }

  async #readOver(socket: Duplex, wanted: ShortExchange, reused: boolean): Promise<WholeAnswer> {
    try {
      holdProcess(socket, true);
      const answer = await exchange(socket, wanted, { keep: true, reused });
      const usable = answer.reusable && answer.rest.length === 0 && !socket.destroyed;
      if (usable) {
        holdProcess(socket, false);
        this.#idle.add(socket);
      } else socket.destroy();
      return answer;
    } catch (thrown) {
      socket.destroy();
      throw thrown;
    }
  }

  async #open(dial: Dial, { signal }: ShortExchange): Promise<Duplex> {
    const socket = await open(dial, signal);
    socket.on("close", () => this.#idle.delete(socket));
    // What nobody asked for would be taken for the next answer.
    socket.on("data", () => {
      if (this.#idle.has(socket)) socket.destroy();
    });
    return socket;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#idle) socket.destroy();
    this.#idle.clear();
  }
}

/** A change, over a connection of its own, which cannot be closed under it while idle. */
export async function writeOnce(dial: Dial, wanted: ShortExchange): Promise<WholeAnswer> {
  const socket = await open(dial, wanted.signal);
  try {
    return await exchange(socket, wanted, { keep: false, reused: false });
  } finally {
    socket.destroy();
  }
}

export type TakeOver =
  | { readonly kind: "taken"; readonly socket: Duplex }
  | { readonly kind: "refused"; readonly answer: WholeAnswer };

/** Asks for the connection itself. */
export async function takeOver(dial: Dial, wanted: ShortExchange): Promise<TakeOver> {
  const socket = await open(dial, wanted.signal);
  const headers = { ...wanted.headers, Connection: "Upgrade", Upgrade: "tcp" };
  const answer = await exchange(socket, { ...wanted, headers }, { keep: true, reused: false });
  if (answer.status !== 101) {
    socket.destroy();
    return { kind: "refused", answer };
  }
  if (answer.rest.length > 0) socket.unshift(answer.rest);
  return { kind: "taken", socket };
}

/** What comes too late is hung up on. */
async function open(dial: Dial, signal: AbortSignal): Promise<Duplex> {
  const dialled = dial();
  const socket = dialled instanceof Promise ? await inTime(dialled, signal) : dialled;
  // Whoever uses it hears of its errors; while nobody does, its end is enough.
  socket.on("error", () => undefined);
  return socket;
}

async function inTime(dialled: Promise<Duplex>, signal: AbortSignal): Promise<Duplex> {
  const settled = new AbortController();
  const late = once(signal, "abort", { signal: settled.signal }).then(() => Promise.reject(tooLate()));
  try {
    return await Promise.race([dialled, signal.aborted ? Promise.reject(tooLate()) : late]);
  } catch (thrown) {
    void hangUp(dialled);
    throw thrown;
  } finally {
    settled.abort();
    late.catch(() => undefined);
  }
}

async function hangUp(dialled: Promise<Duplex>): Promise<void> {
  const [told] = await Promise.allSettled([dialled]);
  if (told.status === "fulfilled") told.value.on("error", () => undefined).destroy();
}

const tooLate = (): Error => Object.assign(new Error("no answer in time"), { code: "ABORT_ERR" });

/** A stream through another connection leaves that to its connection. */
function holdProcess(socket: Duplex, holds: boolean): void {
  if (!(socket instanceof Socket)) return;
  if (holds) socket.ref();
  else socket.unref();
}

function exchange(
  socket: Duplex,
  wanted: ShortExchange,
  use: { readonly keep: boolean; readonly reused: boolean },
): Promise<WholeAnswer> {
  const { signal } = wanted;
  return new Promise((resolve, reject) => {
    const parser = new AnswerParser();
    let heard = false;
    const leave = (): void => {
      socket.off("data", onData).off("close", onClose).off("error", onError);
      signal.removeEventListener("abort", onAbort);
    };
    const fail = (error: Error): void => {
      leave();
      socket.destroy();
      reject(error);
    };
    const done = (answer: WholeAnswer): void => {
      // What follows belongs to who took the connection over, and must not be read into the void.
      if (answer.status === 101) socket.pause();
      leave();
      resolve(answer);
    };
    const onData = (chunk: Buffer): void => {
      heard = true;
      try {
        const answer = parser.push(chunk);
        if (answer !== undefined) done(answer);
      } catch (thrown) {
        fail(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
    };
    const onError = (error: NodeJS.ErrnoException): void => {
      const idle = use.reused && !heard && CLOSED.has(error.code ?? "");
      fail(idle ? new ClosedWhileIdle(error.message, { cause: error }) : error);
    };
    const onClose = (): void => {
      const answer = parser.end();
      if (answer !== undefined) done(answer);
      else onError(Object.assign(new Error(heard ? "aborted" : "socket hang up"), { code: "ECONNRESET" }));
    };
    const onAbort = (): void => fail(tooLate());
    if (signal.aborted) return onAbort();
    if (socket.destroyed) return onClose();
    socket.on("data", onData).on("close", onClose).on("error", onError);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.write(requestText(wanted, use.keep));
  });
}

/** A path is made of encoded parts; a line break in it would be another request. */
function requestText({ method, path, headers, body }: ShortExchange, keep: boolean): string {
  if (/[^\x21-\x7e]/.test(path)) throw new Error(`not a path of the Engine API: ${JSON.stringify(path)}`);
  const fields = Object.entries(keep ? headers : { ...headers, Connection: "close" });
  const length = body === undefined && method !== "GET" ? `Content-Length: 0\r\n` : "";
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `${method} ${path} HTTP/1.1\r\nHost: docker\r\n${length}${lines}\r\n${body ?? ""}`;
}
