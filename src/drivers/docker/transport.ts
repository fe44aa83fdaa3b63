/**
 * In: an endpoint, and one HTTP exchange with it. Out: the engine's answer, or the connection that it handed over.
 * It knows of sockets and nothing of containers. Written on node's own client: the hot paths of `plan` and `run` would
 * otherwise spend most of their time in loading a library.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { Agent, request as httpRequest } from "node:http";
import type { Duplex, Readable } from "node:stream";
import type { Endpoint } from "./endpoint.ts";
import { Tunnel } from "./tunnel.ts";

export interface Exchange {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: string | Readable | undefined;
  /** Asks for the connection itself. */
  readonly takeover?: boolean;
  /** The connection is used for this alone, and lasts as long as its answer does. */
  readonly lasting?: boolean;
  readonly signal: AbortSignal;
}

export type Answer =
  | { readonly kind: "message"; readonly status: number; readonly body: IncomingMessage }
  | { readonly kind: "connection"; readonly socket: Duplex };

type Env = Readonly<Record<string, string | undefined>>;
type Requester = (options: RequestOptions) => ClientRequest;

interface Line {
  readonly request: Requester;
  readonly where: RequestOptions;
  /** Short reads share connections; everything else gets one of its own, which cannot be closed under it while idle. */
  readonly shared: Agent;
  readonly single: Agent;
}

const CLOSED: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

export class Transport implements AsyncDisposable {
  readonly #env: Env;
  #tunnel: Tunnel | undefined;
  #line: Promise<Line> | undefined;

  constructor(env: Env) {
    this.#env = env;
  }

  async exchange(endpoint: Endpoint, wanted: Exchange): Promise<Answer> {
    const socket = await this.#socket(endpoint);
    this.#line ??= openLine(endpoint);
    const line = await this.#line;
    const where = socket === undefined ? line.where : { ...line.where, socketPath: socket };
    const shares = wanted.method === "GET" && wanted.lasting !== true;
    if (!shares) return ask(line.request, { ...where, agent: line.single }, wanted);
    try {
      return await ask(line.request, { ...where, agent: line.shared }, wanted);
    } catch (thrown) {
      if (!(thrown instanceof ClosedWhileIdle)) throw thrown;
      return ask(line.request, { ...where, agent: line.single }, wanted);
    }
  }

  async #socket(endpoint: Endpoint): Promise<string | undefined> {
    if (endpoint.kind === "tcp") return undefined;
    if (endpoint.kind === "unix") return endpoint.socket;
    this.#tunnel ??= new Tunnel(endpoint, this.#env);
    return this.#tunnel.socket();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const line = await this.#line?.catch(() => undefined);
    line?.shared.destroy();
    line?.single.destroy();
    await this.#tunnel?.[Symbol.asyncDispose]();
  }
}

async function openLine(endpoint: Endpoint): Promise<Line> {
  if (endpoint.kind !== "tcp") {
    return {
      request: httpRequest,
      where: {},
      shared: new Agent({ keepAlive: true }),
      single: new Agent(),
    };
  }
  const { host, port, tls } = endpoint;
  const where = { host, port };
  if (tls === undefined)
    return { request: httpRequest, where, shared: new Agent({ keepAlive: true }), single: new Agent() };
  const https = await import("node:https");
  const material = {
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.server_name === undefined ? {} : { servername: tls.server_name }),
    rejectUnauthorized: tls.verify,
  };
  return {
    request: https.request,
    where,
    shared: new https.Agent({ ...material, keepAlive: true }),
    single: new https.Agent(material),
  };
}

/** The engine ended an idle connection just as it was used again: what was asked never reached it. */
class ClosedWhileIdle extends Error {}

function ask(request: Requester, where: RequestOptions, wanted: Exchange): Promise<Answer> {
  const { method, path, headers, body, takeover, signal } = wanted;
  return new Promise((resolve, reject) => {
    const sent = request({
      ...where,
      method,
      path,
      headers: takeover === true ? { ...headers, Connection: "Upgrade", Upgrade: "tcp" } : headers,
      signal,
    });
    sent.once("response", (answer) => {
      resolve({ kind: "message", status: answer.statusCode ?? 0, body: answer });
    });
    sent.once("upgrade", (_answer, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve({ kind: "connection", socket });
    });
    // Stays for good: an upload goes on after the engine has answered, and may then fail.
    sent.on("error", (error: NodeJS.ErrnoException) => {
      const idle = sent.reusedSocket && !signal.aborted && CLOSED.has(error.code ?? "");
      reject(idle ? new ClosedWhileIdle(error.message, { cause: error }) : error);
    });
    if (body === undefined || typeof body === "string") {
      sent.end(body);
      return;
    }
    body.once("error", (error) => sent.destroy(error));
    body.pipe(sent);
  });
}

/** The whole body; rejects when it was cut off. */
export function readBody(body: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    body.on("data", (chunk: Buffer) => chunks.push(chunk));
    body.once("end", () => resolve(Buffer.concat(chunks)));
    body.once("error", reject);
    body.once("close", () => reject(cutOff()));
  });
}

function cutOff(): Error {
  return Object.assign(new Error("aborted"), { code: "ECONNRESET" });
}
