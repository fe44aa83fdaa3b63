/**
 * In: an endpoint, and one HTTP exchange with it. Out: the engine's answer, or the connection that it handed over.
 * It knows of sockets and nothing of containers.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import type { Agent } from "node:http";
import { connect } from "node:net";
import type { Duplex, Readable } from "node:stream";
import type { RemoteDeps } from "../../remote/open.ts";
import type { RemoteSocket } from "../../remote/socket.ts";
import type { Endpoint, EngineName } from "./endpoint.ts";
import type { Dial } from "./lanes.ts";
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

/** What a host's own command line offers where its sshd forwards no sockets. */
const BRIDGE: Readonly<Record<EngineName, string>> = {
  docker: 'docker -H "unix://$1" system dial-stdio',
  podman: 'podman --url "unix://$1" system dial-stdio',
};
const KNOCK = "GET /_ping HTTP/1.0\r\n\r\n";
/** A machine that lost its power, or a network that dropped the connection, says nothing: after so long it is asked. */
const KEEP_ALIVE_MS = 15_000;

type Requester = (options: RequestOptions) => ClientRequest;

interface Line {
  readonly request: Requester;
  readonly where: RequestOptions;
  readonly agent: Agent;
}

export class Transport implements AsyncDisposable {
  readonly #engine: EngineName;
  readonly #deps: RemoteDeps;
  readonly #lanes = new Lanes();
  #remote: Promise<RemoteSocket> | undefined;
  #line: Promise<Line> | undefined;

  constructor(engine: EngineName, deps: RemoteDeps) {
    this.#engine = engine;
    this.#deps = deps;
  }

  async exchange(endpoint: Endpoint, wanted: Exchange): Promise<Answer> {
    if (endpoint.kind === "tcp") {
      this.#line ??= openLine(endpoint);
      const { request, where, agent } = await this.#line;
      return ask(request, { ...where, agent }, wanted);
    }
    const dial = this.#dial(endpoint);
    const answer = await this.#overLane(dial, wanted);
    if (answer !== undefined) return answer;
    const { request } = await import("node:http");
    const stream = await dial();
    return ask(request, { createConnection: () => stream }, wanted);
  }

  /** Undefined for what is too long for it. */
  async #overLane(dial: Dial, wanted: Exchange): Promise<Answer | undefined> {
    const { body, use, method, path, headers, signal } = wanted;
    if (use === "stream" || (body !== undefined && typeof body !== "string")) return undefined;
    const short = { method, path, headers, body, signal };
    if (use === "takeover") {
      const taken = await takeOver(dial, short);
      return taken.kind === "taken"
        ? { kind: "connection", socket: taken.socket }
        : { kind: "whole", status: taken.answer.status, body: taken.answer.body };
    }
    const answer = method === "GET" ? await this.#lanes.read(dial, short) : await writeOnce(dial, short);
    return { kind: "whole", status: answer.status, body: answer.body };
  }

  #dial(endpoint: Exclude<Endpoint, { kind: "tcp" }>): Dial {
    if (endpoint.kind === "unix") return () => connect(endpoint.socket);
    return async () => {
      this.#remote ??= openRemote(this.#engine, endpoint, this.#deps);
      return (await this.#remote).dial();
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lanes[Symbol.dispose]();
    const line = await this.#line?.catch(() => undefined);
    line?.agent.destroy();
    await (await this.#remote)?.[Symbol.asyncDispose]();
  }
}

async function openRemote(
  engine: EngineName,
  { name, access, socket }: Extract<Endpoint, { kind: "ssh" }>,
  deps: RemoteDeps,
): Promise<RemoteSocket> {
  const [{ openConnection }, { RemoteSocket }] = await Promise.all([
    import("../../remote/open.ts"),
    import("../../remote/socket.ts"),
  ]);
  return new RemoteSocket(openConnection(name, access, deps), {
    socket,
    knock: KNOCK,
    bridge: BRIDGE[engine],
  });
}

/** Idle connections would race with the engine closing them, so each request has its own. */
async function openLine({ host, port, tls }: Extract<Endpoint, { kind: "tcp" }>): Promise<Line> {
  if (tls === undefined) {
    const { Agent: HttpAgent, request } = await import("node:http");
    return { request: keptAlive(request), where: { host, port }, agent: new HttpAgent() };
  }
  const { Agent: HttpsAgent, request } = await import("node:https");
  const agent = new HttpsAgent({
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.server_name === undefined ? {} : { servername: tls.server_name }),
    rejectUnauthorized: tls.verify,
  });
  return { request: keptAlive(request), where: { host, port }, agent };
}

/** Streams are silent for days, so that nothing else tells one that waits from one that was cut off. */
function keptAlive(request: Requester): Requester {
  return (options) => {
    const sent = request(options);
    sent.setSocketKeepAlive(true, KEEP_ALIVE_MS);
    return sent;
  };
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
