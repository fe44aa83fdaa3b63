import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { addAbortSignal, Duplex, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type Docker from "dockerode";
import type { DockerOptions } from "dockerode";
import PQueue from "p-queue";
import type { z } from "zod";
import { SandkeepError } from "../../errors.ts";
import type { Host } from "../../model/settings.ts";
import { capabilities } from "./capabilities.ts";
import type { Endpoint } from "./endpoint.ts";
import { resolveEndpoint } from "./endpoint.ts";
import { dockerError } from "./errors.ts";
import { Tunnel } from "./tunnel.ts";

type Dial = Docker["modem"]["dial"];
type DialOptions = Parameters<Dial>[0];
type Answer = Parameters<NonNullable<Parameters<Dial>[1]>>[1];

/** One HTTP call of the Engine API. */
export interface Call {
  /** What is being done, for the error: `inspect container web`. */
  readonly what: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
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
const READS_AT_ONCE = 32;
/** 304 says that it already is so. */
const OK = { 200: true, 201: true, 202: true, 204: true, 304: true } as const;

/** One engine: a lazily made connection, with bounded calls, timeouts, and errors in our classes. */
export class Engine implements AsyncDisposable {
  readonly reads = new PQueue({ concurrency: READS_AT_ONCE });
  readonly writes = new PQueue({ concurrency: capabilities.parallelism });
  readonly #host: Host | undefined;
  readonly #env: Readonly<Record<string, string | undefined>>;
  #endpoint: Promise<Endpoint> | undefined;
  #tunnel: Tunnel | undefined;
  #docker: Promise<Docker> | undefined;
  #agent: HttpAgent | undefined;

  constructor(host: Host | undefined, env: Readonly<Record<string, string | undefined>>) {
    this.#host = host;
    this.#env = env;
  }

  /** Where the engine is; a failed look-up is tried again by the next call. */
  async endpoint(): Promise<Endpoint> {
    this.#endpoint ??= resolveEndpoint(this.#host, this.#env);
    this.#endpoint.catch(() => {
      this.#endpoint = undefined;
    });
    return this.#endpoint;
  }

  /** A call whose answer is JSON, checked against a schema. */
  async json<T>(call: Call, schema: z.ZodType<T>): Promise<T> {
    const parsed = schema.safeParse(parseJson(await this.bytes(call)));
    if (parsed.success) return parsed.data;
    throw new SandkeepError(`${call.what}: the engine's answer is not understood`, {
      code: "DOCKER_ANSWER",
      blame: "backend",
      hint: "check that the endpoint is a Docker Engine API",
      cause: parsed.error,
    });
  }

  /** A call whose answer does not matter. */
  async send(call: Call): Promise<void> {
    await this.bytes(call);
  }

  /**
   * The whole body of an answer. It is read here and not by the library, which would wait for ever for the rest of an
   * answer that was cut off.
   */
  async bytes(call: Call): Promise<Buffer> {
    return await this.#dial(call, {}, (answer, signal) => {
      if (answer instanceof Readable) return buffer(addAbortSignal(signal, answer));
      throw notAStream(call);
    });
  }

  /** The body of an answer as it comes. */
  async stream(call: Call): Promise<Readable> {
    return await this.#dial(call, {}, (answer) => {
      if (answer instanceof Readable) return answer;
      throw notAStream(call);
    });
  }

  /** A connection taken over for both directions. */
  async hijack(call: Call): Promise<Duplex> {
    const takeover = { hijack: true, openStdin: true, allowEmpty: true };
    return await this.#dial(call, takeover, (answer) => {
      if (answer instanceof Duplex) return answer;
      throw notAStream(call);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent?.destroy();
    await this.#tunnel?.[Symbol.asyncDispose]();
  }

  async #dial<T>(
    call: Call,
    extra: Partial<DialOptions>,
    take: (answer: Answer, signal: AbortSignal) => T | Promise<T>,
  ): Promise<T> {
    const abort = new AbortController();
    const giveUp = (): void => abort.abort(call.signal?.reason);
    call.signal?.addEventListener("abort", giveUp, { once: true });
    const timer = setTimeout(() => abort.abort(), call.timeout ?? READ_TIMEOUT_MS);
    let open = false;
    try {
      call.signal?.throwIfAborted();
      const docker = await this.#connect();
      const answer = await new Promise<Answer>((resolve, reject) => {
        docker.modem.dial(dialOptions(call, extra, abort.signal), (error, came) => {
          if (error === null || error === undefined) resolve(came);
          else reject(error);
        });
      });
      const taken = await take(answer, abort.signal);
      open = taken instanceof Readable;
      return taken;
    } catch (thrown) {
      throw dockerError(thrown, call.what);
    } finally {
      clearTimeout(timer);
      // A stream stays under the caller's signal for as long as it is read.
      if (!open) call.signal?.removeEventListener("abort", giveUp);
    }
  }

  async #connect(): Promise<Docker> {
    const endpoint = await this.endpoint();
    if (endpoint.kind === "ssh") {
      this.#tunnel ??= new Tunnel(endpoint, this.#env);
      await this.#tunnel.socket();
    }
    this.#docker ??= this.#makeClient(endpoint);
    this.#docker.catch(() => {
      this.#docker = undefined;
    });
    return this.#docker;
  }

  async #makeClient(endpoint: Endpoint): Promise<Docker> {
    const { default: Client } = await import("dockerode");
    // Idle connections would race with the engine closing them; a new one costs little.
    this.#agent =
      endpoint.kind === "tcp" && endpoint.tls !== undefined ? tlsAgent(endpoint) : new HttpAgent();
    const socketPath = endpoint.kind === "ssh" ? await this.#tunnel?.socket() : undefined;
    // Said in full, since the library fills what is missing from the process's own DOCKER_* variables.
    const options: DockerOptions & { readonly agent: HttpAgent } = {
      socketPath: endpoint.kind === "unix" ? endpoint.socket : socketPath,
      host: endpoint.kind === "tcp" ? endpoint.host : undefined,
      port: endpoint.kind === "tcp" ? endpoint.port : undefined,
      protocol: endpoint.kind === "tcp" && endpoint.tls !== undefined ? "https" : "http",
      ca: undefined,
      cert: undefined,
      key: undefined,
      timeout: undefined,
      agent: this.#agent,
    };
    return new Client(options);
  }
}

function dialOptions(call: Call, extra: Partial<DialOptions>, signal: AbortSignal): DialOptions {
  return {
    // The library appends the query after the question mark, and sends the body apart only when told both.
    path: `${call.path}?`,
    method: call.method,
    options: { _query: call.query ?? {}, _body: call.body ?? {} },
    statusCodes: OK,
    isStream: true,
    abortSignal: signal,
    ...(call.file === undefined ? {} : { file: call.file }),
    ...(call.auth === undefined ? {} : { authconfig: call.auth }),
    ...extra,
  };
}

function tlsAgent(endpoint: Extract<Endpoint, { kind: "tcp" }>): HttpsAgent {
  const { tls } = endpoint;
  return new HttpsAgent({
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
    ...(tls?.server_name === undefined ? {} : { servername: tls.server_name }),
    rejectUnauthorized: tls?.verify ?? true,
  });
}

/** Text that is no JSON is left as it is, and fits no schema. */
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
