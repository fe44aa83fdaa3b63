/**
 * A unix socket of a host: its bytes come through the connection. Where the host forwards no sockets, a program there that
 * speaks to this one carries them. It knows nothing of what is said.
 */
import { once } from "node:events";
import type { Readable } from "node:stream";
import { Duplex, PassThrough, Writable } from "node:stream";
import type { SandkeepError } from "../errors.ts";
import { hasCode, toError } from "../errors.ts";
import type { Connection } from "./connection.ts";
import { notForwarded } from "./errors.ts";
import { NOT_FORWARDED } from "./transport.ts";

export interface SocketRequest {
  /** Path on the host. */
  readonly socket: string;
  /** What whoever listens answers, so that a stream that leads nowhere shows. */
  readonly knock: string;
  /** POSIX sh that carries its streams to and from the socket, whose path is `$1`. */
  readonly bridge: string;
}

const KNOCK_MS = 10_000;
const MOST_COMPLAINT = 500;

export class RemoteSocket implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #request: SocketRequest;
  #way: Promise<() => Promise<Duplex>> | undefined;

  constructor(connection: Connection, request: SocketRequest) {
    this.#connection = connection;
    this.#request = request;
  }

  /** A stream of its own for each call. */
  async dial(): Promise<Duplex> {
    this.#way ??= this.#choose();
    // What did not work may work the next time.
    this.#way.catch(() => (this.#way = undefined));
    const open = await this.#way;
    return open();
  }

  async #choose(): Promise<() => Promise<Duplex>> {
    const { knock } = this.#request;
    const { spare, refusal } = await this.#tryForward();
    if (refusal === undefined) return this.#forwards(spare);
    const bridge = async (): Promise<Duplex> => bridged(this.#connection, this.#request);
    try {
      await answers(await bridge(), knock);
      return bridge;
    } catch {
      throw refusal;
    }
  }

  #forwards(first: Duplex | undefined): () => Promise<Duplex> {
    let spare = first;
    return async () => {
      const stream = spare;
      spare = undefined;
      return stream ?? (await this.#connection.forward(this.#request.socket)).stream;
    };
  }

  /** Why the host does not forward the socket; else the stream that showed it, where that is as good as new. */
  async #tryForward(): Promise<{ readonly refusal?: SandkeepError; readonly spare?: Duplex }> {
    const { socket, knock } = this.#request;
    try {
      const { stream, proven } = await this.#connection.forward(socket);
      if (proven) return { spare: stream };
      await answers(stream, knock);
      return {};
    } catch (thrown) {
      if (thrown instanceof Silent) return { refusal: notForwarded(socket, this.#connection.label, thrown) };
      if (hasCode(thrown, NOT_FORWARDED)) return { refusal: thrown };
      throw thrown;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }
}

class Silent extends Error {}

/** Rejects where the stream ends, or nothing comes, before the first word. */
async function answers(stream: Duplex, knock: string): Promise<void> {
  const late = AbortSignal.timeout(KNOCK_MS);
  stream.on("error", () => undefined);
  const ended = new AbortController();
  stream.once("close", () => ended.abort());
  stream.once("end", () => ended.abort());
  try {
    stream.write(knock);
    await once(stream, "data", { signal: AbortSignal.any([late, ended.signal]) });
  } catch (thrown) {
    throw new Silent("nothing answered", { cause: thrown });
  } finally {
    stream.destroy();
  }
}

async function bridged(connection: Connection, { bridge, socket }: SocketRequest): Promise<Duplex> {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  let complaint = "";
  const stderr = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      complaint = (complaint + chunk.toString()).slice(-MOST_COMPLAINT);
      done();
    },
  });
  const running = await connection.run({ script: bridge, args: [socket], stdin, stdout, stderr });
  void endWith(stdout, running.result, (code) =>
    code === 0 ? undefined : notForwarded(socket, connection.label, new Error(complaint.trim())),
  );
  return joined(stdin, stdout, () => running.close());
}

function joined(writable: Writable, readable: Readable, close: () => void): Duplex {
  const both = Duplex.from({ writable, readable });
  both.once("close", close);
  return both;
}

async function endWith(
  stream: PassThrough,
  result: Promise<number>,
  judge: (code: number) => Error | undefined,
): Promise<void> {
  try {
    const failure = judge(await result);
    if (failure === undefined) stream.end();
    else stream.destroy(failure);
  } catch (thrown) {
    stream.destroy(toError(thrown));
  }
}
