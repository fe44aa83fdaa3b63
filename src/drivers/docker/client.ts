import type { Duplex, Readable } from "node:stream";
import { addAbortSignal } from "node:stream";
import PQueue from "p-queue";
import { SandkeepError } from "../../errors.ts";
import type { Host } from "../../model/settings.ts";
import { pathFacts } from "../../util/path-facts.ts";
import { LONGEST_TIMER_MS } from "../../util/timer.ts";
import type { DriverDeps } from "../driver.ts";
import { STEPS_AT_ONCE, WRITES_AT_ONCE } from "./capabilities.ts";
import type { Dialect } from "./dialect.ts";
import type { Endpoint } from "./endpoint.ts";
import { resolveEndpoint } from "./endpoint.ts";
import { dockerError, refusal } from "./errors.ts";
import type { Reader } from "./parts.ts";
import { Misshapen } from "./parts.ts";
import type { Answer, Exchange } from "./transport.ts";
import type { MadeContainer } from "./wire-container.ts";
import { readBody, Transport } from "./transport.ts";

/** One HTTP call of the Engine API. */
export interface Call {
  /** What is being done, for the error: `inspect container web`. */
  readonly what: string;
  readonly method: Exchange["method"];
  /** Without the query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: Readonly<Record<string, unknown>>;
  /** A tar stream to send. */
  readonly file?: Readable;
  readonly auth?: Readonly<Record<string, string>>;
  /** Milliseconds until the answer's headers (streams) or end (others) must be there. */
  readonly timeout?: number;
  /** Ends a stream, or gives up a call. */
  readonly signal?: AbortSignal;
}

const READ_TIMEOUT_MS = 30_000;
/** More at once does not make an engine faster, only each answer later. */
const READS_AT_ONCE = 16;
/** 304 says that it already is so. */
const OK: ReadonlySet<number> = new Set([200, 201, 202, 204, 304]);

/** One engine: a lazily made connection, with bounded calls, timeouts, and errors in our classes. */
export class Engine implements AsyncDisposable {
  readonly reads = new PQueue({ concurrency: READS_AT_ONCE });
  readonly writes = new PQueue({ concurrency: WRITES_AT_ONCE });
  /** It removes more at once than it makes. */
  readonly removals = new PQueue({ concurrency: STEPS_AT_ONCE });
  /** Creations alone, within the writes. */
  readonly creates: PQueue;
  /**
   * Containers whose workspace needs no widening, those that have no workspace volume, and how each was made: none of that
   * ever changes.
   */
  readonly known = {
    open: new Set<string>(),
    volumeless: new Set<string>(),
    made: new Map<string, MadeContainer>(),
  };
  readonly dialect: Dialect;
  /** Real path of our state directory. */
  readonly stateDir: string;
  readonly #host: Host | undefined;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #transport: Transport;
  #endpoint: Promise<Endpoint> | undefined;

  constructor(dialect: Dialect, host: Host | undefined, deps: DriverDeps) {
    this.dialect = dialect;
    this.stateDir = pathFacts(deps.stateDir).realPath(deps.stateDir);
    this.creates = new PQueue({ concurrency: dialect.createsAtOnce });
    this.#host = host;
    this.#env = deps.env;
    this.#transport = new Transport(dialect.name, deps);
  }

  /** Where the engine is; a failed look-up is tried again by the next call. */
  async endpoint(): Promise<Endpoint> {
    this.#endpoint ??= resolveEndpoint(this.#host, this.#env, this.dialect.name);
    this.#endpoint.catch(() => {
      this.#endpoint = undefined;
    });
    return this.#endpoint;
  }

  /** A call whose answer is JSON, checked by its reader. */
  async json<T>(call: Call, read: Reader<T>): Promise<T> {
    const answer = parseJson(await this.bytes(call));
    try {
      return read(answer);
    } catch (cause) {
      if (!(cause instanceof Misshapen)) throw cause;
      throw new SandkeepError(`${call.what}: the engine's answer is not understood`, {
        code: "DOCKER_ANSWER",
        blame: "backend",
        hint: "check that the endpoint is a Docker Engine API",
        cause,
      });
    }
  }

  /** A call whose answer does not matter. */
  async send(call: Call): Promise<void> {
    await this.bytes(call);
  }

  /** The whole body of an answer. */
  async bytes(call: Call): Promise<Buffer> {
    return await this.#dial(call, "whole", (answer) => {
      if (answer.kind !== "connection") return wholeBody(answer);
      throw notAStream(call);
    });
  }

  /** The body of an answer as it comes. */
  async stream(call: Call): Promise<Readable> {
    return await this.#dial(call, "stream", (answer) => {
      if (answer.kind === "message") return answer.body;
      throw notAStream(call);
    });
  }

  /** A connection taken over for both directions. */
  async hijack(call: Call): Promise<Duplex> {
    return await this.#dial(call, "takeover", (answer) => {
      if (answer.kind === "connection") return answer.socket;
      throw notAStream(call);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Who looked with it may be kept for as long as an apply lasts.
    for (const each of Object.values(this.known)) each.clear();
    await this.#transport[Symbol.asyncDispose]();
  }

  async #dial<T>(call: Call, use: Exchange["use"], take: (answer: Answer) => T | Promise<T>): Promise<T> {
    const abort = new AbortController();
    const giveUp = (): void => abort.abort(call.signal?.reason);
    call.signal?.addEventListener("abort", giveUp, { once: true });
    const timer = setTimeout(giveUp, Math.min(call.timeout ?? READ_TIMEOUT_MS, LONGEST_TIMER_MS));
    let lasts = false;
    try {
      call.signal?.throwIfAborted();
      const answer = await this.#transport.exchange(await this.endpoint(), {
        ...exchangeOf(call),
        use,
        signal: abort.signal,
      });
      if (answer.kind === "message") addAbortSignal(abort.signal, answer.body);
      if (answer.kind !== "connection" && !OK.has(answer.status)) {
        throw refusal(answer.status, await wholeBody(answer));
      }
      const taken = await take(answer);
      lasts = use !== "whole";
      return taken;
    } catch (thrown) {
      throw dockerError(thrown, call.what, this.dialect.name);
    } finally {
      clearTimeout(timer);
      // A stream stays under the caller's signal for as long as it is read.
      if (!lasts) call.signal?.removeEventListener("abort", giveUp);
    }
  }
}

function wholeBody(answer: Exclude<Answer, { kind: "connection" }>): Promise<Buffer> {
  return answer.kind === "whole" ? Promise.resolve(answer.body) : readBody(answer.body);
}

function exchangeOf(call: Call): Omit<Exchange, "signal" | "use"> {
  const { method, file, auth } = call;
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const type = file === undefined ? "application/json" : "application/tar";
  return {
    method,
    path: withQuery(call.path, call.query ?? {}),
    body: file ?? body,
    headers: {
      ...(file === undefined && body === undefined ? {} : { "Content-Type": type }),
      ...(body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) }),
      ...(auth === undefined ? {} : { "X-Registry-Auth": asHeader(auth) }),
    },
  };
}

/** Engines take numbers and words as they are, and filters as JSON. */
function withQuery(path: string, query: Readonly<Record<string, unknown>>): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    given.set(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  return given.size === 0 ? path : `${path}?${given.toString()}`;
}

/** With the alphabet of URLs, but padded, as engines decode it. */
function asHeader(auth: Readonly<Record<string, string>>): string {
  const text = Buffer.from(JSON.stringify(auth)).toString("base64");
  return text.replaceAll("+", "-").replaceAll("/", "_");
}

/** Text that is no JSON is left as it is, and fits no reader. */
function parseJson(body: Buffer): unknown {
  const text = body.toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function notAStream(call: Call): SandkeepError {
  return new SandkeepError(`${call.what}: the engine did not answer with a stream`, {
    code: "DOCKER_ANSWER",
    kind: "transient",
    blame: "backend",
  });
}
