import { rm } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer, request } from "node:http";
import type { Socket } from "node:net";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";

/**
 * What can befall one call: its caller dies before the engine hears of it or before it hears of the engine's answer,
 * the answer is lost with its connection, becomes a 500, ends in its middle, or comes late.
 */
export const BLOWS = ["kill before", "kill after", "lost", "error", "truncated", "delayed"] as const;
export type Blow = (typeof BLOWS)[number];

export interface EngineCall {
  /** `POST /containers/{}/start`: the same for all objects. */
  readonly kind: string;
  /** Counts the calls of this kind, from 1. */
  readonly nth: number;
  readonly writes: boolean;
}

export interface Strike {
  readonly kind: string;
  readonly nth: number;
  readonly blow: Blow;
  /** Ends the caller's process. */
  readonly kill: () => void;
}

/** How the engine is made to lie: what it hears of a call's body, and what its caller hears of the answer's. */
export interface Lie {
  readonly asked?: (call: string, body: Body) => Body;
  readonly told?: (call: string, body: Body) => Body;
}

type Body = Readonly<Record<string, unknown>>;

const DELAY_MS = 400;
const PER_CONNECTION: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding"]);
const REFUSAL = JSON.stringify({ message: "the engine stumbled" });

/** Stands before an engine's socket, passes everything on, and strikes the one call that it is armed against. */
export class FaultProxy implements AsyncDisposable {
  readonly path: string;
  calls: EngineCall[] = [];
  /** Whether the call that it was armed against came. */
  struck = false;
  lie: Lie | undefined;
  onCall: (call: EngineCall) => void = () => undefined;
  /** Kind of calls that are answered with a 200 and go no further, as an engine does that ignores what it is asked. */
  swallow: string | undefined;
  /** Kinds of calls that are refused, as a proxy does that lets only some through. */
  forbidden: ReadonlySet<string> = new Set();
  readonly #target: string;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  #strike: Strike | undefined;

  private constructor(path: string, target: string) {
    this.path = path;
    this.#target = target;
    this.#server = createServer((incoming, outgoing) => void this.#exchange(incoming, outgoing));
    this.#server.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#hijack(incoming, socket, head),
    );
    this.#server.on("connection", (socket: Socket) => this.#keep(socket));
  }

  static async open(path: string, target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(path, target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(path, resolve);
    });
    return proxy;
  }

  /** Forgets the calls so far and strikes at the given one, or at none. */
  arm(strike?: Strike): void {
    this.calls = [];
    this.struck = false;
    this.#strike = strike;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await rm(this.path, { force: true });
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  }

  #note(incoming: IncomingMessage): Strike | undefined {
    const kind = kindOf(incoming);
    if (kind === "GET /events") return undefined;
    const nth = this.calls.filter((each) => each.kind === kind).length + 1;
    const call = { kind, nth, writes: !/^(?:GET|HEAD) /.test(kind) };
    this.calls.push(call);
    this.onCall(call);
    const strike = this.#strike;
    if (strike?.kind !== kind || strike.nth !== nth) return undefined;
    this.struck = true;
    return strike;
  }

  async #exchange(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const strike = this.#note(incoming);
    if (strike?.blow === "kill before") {
      strike.kill();
      incoming.socket.destroy();
      return;
    }
    try {
      if (this.swallow === kindOf(incoming)) {
        await buffer(incoming);
        outgoing.writeHead(200, { "content-type": "application/json" }).end('{"Warnings":[]}');
        return;
      }
      if (this.forbidden.has(kindOf(incoming))) {
        outgoing
          .writeHead(403, { "content-type": "text/html" })
          .end("<html><body>403 Forbidden</body></html>");
        return;
      }
      const answer = await this.#ask(incoming);
      outgoing.on("close", () => answer.destroy());
      const { told } = this.lie ?? {};
      if (strike === undefined && told !== undefined) await twist(kindOf(incoming), told, answer, outgoing);
      else if (strike === undefined) passOn(answer, outgoing);
      else await hit(strike, answer, outgoing);
    } catch {
      incoming.socket.destroy();
    }
  }

  async #ask(incoming: IncomingMessage): Promise<IncomingMessage> {
    const { method, url } = incoming;
    const said = await buffer(incoming);
    const body = twisted(said, kindOf(incoming), this.lie?.asked);
    const length = body === said ? {} : { "content-length": String(body.length) };
    const headers = { ...incoming.headers, ...length };
    return await new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.#target, method, path: url, headers, agent: false }, resolve);
      asked.on("error", reject);
      // Connections are used again: what waits for their end must not pile up on them.
      const giveUp = (): void => void asked.destroy();
      incoming.socket.once("close", giveUp);
      asked.once("close", () => incoming.socket.off("close", giveUp));
      asked.end(body);
    });
  }

  /** A connection that the engine takes over is passed through as it is, but for the blow at its beginning. */
  #hijack(incoming: IncomingMessage, client: Duplex, head: Buffer): void {
    const strike = this.#note(incoming);
    if (strike?.blow === "kill before") {
      strike.kill();
      client.destroy();
      return;
    }
    const engine = connect({ path: this.#target, allowHalfOpen: true });
    this.#keep(engine);
    for (const [one, other] of [
      [client, engine],
      [engine, client],
    ] as const)
      one.on("close", () => other.destroy());
    engine.write(headOf(incoming));
    engine.write(head);
    client.pipe(engine);
    if (strike === undefined) {
      engine.pipe(client);
      return;
    }
    engine.once("data", (first: Buffer) => {
      engine.pause();
      hitTakeover(strike, first, client, engine);
    });
  }
}

/** `first` is the head of the engine's answer, and what of its stream came with it. */
function hitTakeover(strike: Strike, first: Buffer, client: Duplex, engine: Socket): void {
  switch (strike.blow) {
    case "kill before":
    case "kill after":
      strike.kill();
      client.destroy();
      return;
    case "lost":
      client.destroy();
      return;
    case "error":
      client.end(`HTTP/1.1 500 Internal Server Error\r\nContent-Length: ${REFUSAL.length}\r\n\r\n${REFUSAL}`);
      return;
    case "truncated":
      client.end(first.subarray(0, first.indexOf("\r\n\r\n") + 4));
      return;
    case "delayed":
      setTimeout(() => {
        client.write(first);
        engine.pipe(client);
      }, DELAY_MS);
  }
}

/** The same bytes where there is nothing to lie about. */
function twisted(body: Buffer, call: string, lie: Lie["asked"]): Buffer {
  if (lie === undefined || body[0] !== 0x7b) return body;
  const honest: Body = JSON.parse(body.toString());
  const told = lie(call, honest);
  return told === honest ? body : Buffer.from(JSON.stringify(told));
}

async function twist(
  call: string,
  lie: NonNullable<Lie["told"]>,
  answer: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  if (!call.endsWith("json") && !call.endsWith("/create") && !call.endsWith("/info")) {
    passOn(answer, outgoing);
    return;
  }
  const body = twisted(await buffer(answer), call, lie);
  const { "transfer-encoding": _, ...headers } = headersOf(answer);
  outgoing.writeHead(answer.statusCode ?? 200, { ...headers, "content-length": String(body.length) });
  outgoing.end(body);
}

async function hit(strike: Strike, answer: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const body = await buffer(answer);
  switch (strike.blow) {
    case "kill before":
    case "kill after":
      strike.kill();
      outgoing.destroy();
      return;
    case "lost":
      outgoing.destroy();
      return;
    case "error":
      outgoing.writeHead(500, { "content-type": "application/json" });
      outgoing.end(REFUSAL);
      return;
    case "truncated":
      truncate(answer, body, outgoing);
      return;
    case "delayed":
      await new Promise((resolve) => setTimeout(resolve, DELAY_MS));
      writeHead(answer, outgoing);
      outgoing.end(body);
  }
}

/** Half of the body; of an answer without one, half of its head. */
function truncate(answer: IncomingMessage, body: Buffer, outgoing: ServerResponse): void {
  const { socket } = outgoing;
  if (body.length < 2) {
    socket?.end(`HTTP/1.1 ${answer.statusCode} No Con`);
    return;
  }
  // Said in full length even where the engine sends in chunks: both tell a reader that something is missing.
  outgoing.writeHead(answer.statusCode ?? 200, { ...headersOf(answer), "content-length": body.length });
  outgoing.write(body.subarray(0, Math.floor(body.length / 2)), () => socket?.end());
}

function passOn(answer: IncomingMessage, outgoing: ServerResponse): void {
  writeHead(answer, outgoing);
  outgoing.flushHeaders();
  answer.on("error", () => outgoing.destroy());
  answer.pipe(outgoing);
}

function writeHead(answer: IncomingMessage, outgoing: ServerResponse): void {
  // The engine ends some streams with their connection; chunks would make their ends safer than they are.
  if (answer.headers["transfer-encoding"] === undefined) outgoing.useChunkedEncodingByDefault = false;
  outgoing.writeHead(answer.statusCode ?? 200, headersOf(answer));
}

function headersOf(answer: IncomingMessage): Record<string, string | string[]> {
  const kept = Object.entries(answer.headers).filter(([name]) => !PER_CONNECTION.has(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? ""]));
}

function headOf({ method, url, rawHeaders }: IncomingMessage): string {
  const lines: string[] = [`${method} ${url} HTTP/1.1`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function kindOf({ method = "GET", url = "/" }: IncomingMessage): string {
  return `${method} ${routeOf(url)}`;
}

/** Verbs and lists of the API that stand where an object's name could. */
const WORDS: ReadonlySet<string> = new Set(["create", "json", "prune"]);

/** The path without version, query, and the object's name, which for images holds slashes. */
function routeOf(url: string): string {
  const path = url.replace(/^\/v\d[\d.]*(?=\/)/, "").replace(/\?.*$/s, "");
  const [, area = "", first, ...rest] = path.split("/");
  if (first === undefined) return path;
  if (rest.length === 0) return WORDS.has(first) ? path : `/${area}/{}`;
  return `/${area}/{}/${rest.at(-1)}`;
}
