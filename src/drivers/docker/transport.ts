/**
 * In: an endpoint, and one HTTP exchange with it. Out: the engine's answer, or the connection that it handed over.
 * It knows of sockets and nothing of containers.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import type { Agent } from "node:http";
import type { Duplex, Readable } from "node:stream";
import type { SshTunnel } from "../../util/ssh-tunnel.ts";
import type { Endpoint } from "./endpoint.ts";
import { Lanes, takeOver, writeOnce } from "./lanes.ts";

export interface Exchange {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: string | Readable | undefined;
  /**
   * `whole`: an answer that fits into memory. `stream`: one that lasts as long as its connection, which is used for it
   * alone. `takeover`: the connection itself.
   */
  readonly use: "whole" | "stream" | "takeover";
  readonly signal: AbortSignal;
}

export type Answer =
  | { readonly kind: "whole"; readonly status: number; readonly body: Buffer }
  | { readonly kind: "message"; readonly status: number; readonly body: IncomingMessage }
  | { readonly kind: "connection"; readonly socket: Duplex };

type Env = Readonly<Record<string, string | undefined>>;
const SSH_CODES = { denied: "DOCKER_SSH_DENIED", unreachable: "DOCKER_UNREACHABLE" } as const;
type Requester = (options: RequestOptions) => ClientRequest;

interface Line {
  readonly request: Requester;
  readonly where: RequestOptions;
  readonly agent: Agent;
}

export class Transport implements AsyncDisposable {
  readonly #env: Env;
  readonly #lanes = new Lanes();
  #tunnel: SshTunnel | undefined;
  #line: Promise<Line> | undefined;

  constructor(env: Env) {
    this.#env = env;
  }

  async exchange(endpoint: Endpoint, wanted: Exchange): Promise<Answer> {
    const socket = await this.#socket(endpoint);
    if (socket !== undefined) {
      const answer = await this.#overLane(socket, wanted);
      if (answer !== undefined) return answer;
    }
    this.#line ??= openLine(endpoint);
    const { request, where, agent } = await this.#line;
    const socketPath = socket === undefined ? {} : { socketPath: socket };
    return ask(request, { ...where, ...socketPath, agent }, wanted);
  }

  /** Undefined for what is too long for it. */
  async #overLane(socket: string, wanted: Exchange): Promise<Answer | undefined> {
    const { body, use, method, path, headers, signal } = wanted;
    if (use === "stream" || (body !== undefined && typeof body !== "string")) return undefined;
    const short = { method, path, headers, body, signal };
    if (use === "takeover") {
      const taken = await takeOver(socket, short);
      return taken.kind === "taken"
        ? { kind: "connection", socket: taken.socket }
        : { kind: "whole", status: taken.answer.status, body: taken.answer.body };
    }
    const answer = method === "GET" ? await this.#lanes.read(socket, short) : await writeOnce(socket, short);
    return { kind: "whole", status: answer.status, body: answer.body };
  }

  async #socket(endpoint: Endpoint): Promise<string | undefined> {
    if (endpoint.kind === "tcp") return undefined;
    if (endpoint.kind === "unix") return endpoint.socket;
    const { SshTunnel } = await import("../../util/ssh-tunnel.ts");
    this.#tunnel ??= new SshTunnel(endpoint, this.#env, SSH_CODES);
    return this.#tunnel.socket();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lanes[Symbol.dispose]();
    const line = await this.#line?.catch(() => undefined);
    line?.agent.destroy();
    await this.#tunnel?.[Symbol.asyncDispose]();
  }
}

/** Idle connections would race with the engine closing them, so each request has its own. */
async function openLine(endpoint: Endpoint): Promise<Line> {
  if (endpoint.kind !== "tcp" || endpoint.tls === undefined) {
    const { Agent: HttpAgent, request } = await import("node:http");
    const where = endpoint.kind === "tcp" ? { host: endpoint.host, port: endpoint.port } : {};
    return { request, where, agent: new HttpAgent() };
  }
  const { host, port, tls } = endpoint;
  const { Agent: HttpsAgent, request } = await import("node:https");
  const agent = new HttpsAgent({
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.server_name === undefined ? {} : { servername: tls.server_name }),
    rejectUnauthorized: tls.verify,
  });
  return { request, where: { host, port }, agent };
}

function ask(request: Requester, where: RequestOptions, wanted: Exchange): Promise<Answer> {
  const { method, path, headers, body, use, signal } = wanted;
  const asked = use === "takeover" ? { ...headers, Connection: "Upgrade", Upgrade: "tcp" } : headers;
  return new Promise((resolve, reject) => {
    const sent = request({ ...where, method, path, headers: asked, signal });
    sent.once("response", (answer) => {
      resolve({ kind: "message", status: answer.statusCode ?? 0, body: answer });
    });
    sent.once("upgrade", (_answer, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve({ kind: "connection", socket });
    });
    // Stays for good: an upload goes on after the engine has answered, and may then fail.
    sent.on("error", reject);
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
