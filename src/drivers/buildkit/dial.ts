/** In: an endpoint. Out: a connection that carries BuildKit's HTTP/2, however it is reached. */
import { once } from "node:events";
import { connect as connectPlain } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { SandkeepError } from "../../errors.ts";
import type { RemoteDeps } from "../../remote/open.ts";
import type { RemoteSocket } from "../../remote/socket.ts";
import type { Endpoint, Ssh } from "./endpoint.ts";
import { buildkitError } from "./errors.ts";

type Direct = Extract<Endpoint, { kind: "unix" | "tcp" }>;

const CONNECT_TIMEOUT_MS = 10_000;
/** A machine that went away while a command runs says nothing: after so long without a word it is asked. */
const KEEP_ALIVE_MS = 15_000;
/** A header of an answer to an upgrade is far shorter. */
const LONGEST_HEAD = 64 * 1024;
/** The beginning of HTTP/2, with settings that say nothing: whoever speaks it answers with its own. */
const KNOCK = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/** Where the host forwards no sockets. */
const BRIDGE = 'exec buildctl --addr "unix://$1" dial-stdio';

/** Connections to one endpoint; owns the way to its machine where there is one. */
export class Dialer implements AsyncDisposable {
  readonly #endpoint: Endpoint;
  readonly #deps: RemoteDeps;
  #remote: Promise<RemoteSocket> | undefined;

  constructor(endpoint: Endpoint, deps: RemoteDeps) {
    this.#endpoint = endpoint;
    this.#deps = deps;
  }

  /** True where the worker is part of a Docker Engine, whose own API `engine` reaches. */
  get inEngine(): boolean {
    return this.#endpoint.kind === "docker";
  }

  async engine(): Promise<Duplex> {
    if (this.#endpoint.kind !== "docker") throw new Error("the worker is in no engine");
    try {
      return await connected(this.#endpoint.engine, ["http/1.1"]);
    } catch (thrown) {
      throw buildkitError("reach the engine", thrown);
    }
  }

  async dial(): Promise<Duplex> {
    const endpoint = this.#endpoint;
    try {
      switch (endpoint.kind) {
        case "ssh":
          this.#remote ??= remoteSocket(endpoint, this.#deps);
          return await (await this.#remote).dial();
        case "docker":
          return await upgraded(await connected(endpoint.engine, ["http/1.1"]));
        default:
          return await connected(endpoint, ["h2"]);
      }
    } catch (thrown) {
      throw buildkitError("reach the worker", thrown);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const remote = await this.#remote?.catch(() => undefined);
    await remote?.[Symbol.asyncDispose]();
  }
}

async function remoteSocket(endpoint: Ssh, deps: RemoteDeps): Promise<RemoteSocket> {
  const [{ openConnection }, { RemoteSocket }] = await Promise.all([
    import("../../remote/open.ts"),
    import("../../remote/socket.ts"),
  ]);
  const { name, access, socket } = endpoint;
  const connection = openConnection(name, access, deps);
  return new RemoteSocket(connection, { socket, knock: KNOCK, bridge: BRIDGE });
}

async function connected(endpoint: Direct, protocols: readonly string[]): Promise<Duplex> {
  const signal = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const socket = open(endpoint, protocols);
  const event = endpoint.kind === "tcp" && endpoint.tls !== undefined ? "secureConnect" : "connect";
  try {
    await once(socket, event, { signal });
    if (endpoint.kind === "tcp") socket.setKeepAlive(true, KEEP_ALIVE_MS);
    return socket;
  } catch (thrown) {
    socket.destroy();
    if (!signal.aborted) throw thrown;
    throw Object.assign(new Error("no connection in 10 s"), { code: "ETIMEDOUT" });
  }
}

function open(endpoint: Direct, protocols: readonly string[]) {
  if (endpoint.kind === "unix") return connectPlain(endpoint.socket);
  const { host, port, tls } = endpoint;
  if (tls === undefined) return connectPlain(port, host);
  const { server_name: servername, ...files } = tls;
  return connectTls({
    host,
    port,
    ...files,
    ALPNProtocols: [...protocols],
    ...(servername === undefined ? {} : { servername }),
    rejectUnauthorized: true,
  });
}

/** A Docker Engine hands one of its connections over to its own BuildKit. */
async function upgraded(socket: Duplex): Promise<Duplex> {
  try {
    await upgrade(socket);
    return socket;
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
}

async function upgrade(socket: Duplex): Promise<void> {
  socket.write("POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  let head = Buffer.alloc(0);
  for (;;) {
    const end = head.indexOf("\r\n\r\n");
    if (end >= 0) {
      const [status = ""] = head.subarray(0, end).toString("latin1").split("\r\n");
      if (!/^HTTP\/1\.[01] 101\b/.test(status)) throw refused(status);
      const rest = head.subarray(end + 4);
      if (rest.length > 0) socket.unshift(rest);
      return;
    }
    if (head.length > LONGEST_HEAD) throw refused("an answer without an end");
    head = Buffer.concat([head, await nextChunk(socket)]);
  }
}

async function nextChunk(socket: Duplex): Promise<Buffer> {
  const late = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  for (;;) {
    const chunk: unknown = socket.read();
    if (Buffer.isBuffer(chunk)) return chunk;
    if (socket.readableEnded || socket.destroyed) {
      throw Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" });
    }
    const settled = new AbortController();
    const signal = AbortSignal.any([late, settled.signal]);
    const events = ["readable", "end"].map((event) => once(socket, event, { signal }));
    try {
      await Promise.race(events);
    } finally {
      // The one that did not come would be listened for until the connection ends.
      settled.abort();
      await Promise.allSettled(events);
    }
  }
}

function refused(status: string): SandkeepError {
  return new SandkeepError(`the engine did not hand over a connection to its BuildKit: ${status}`, {
    code: "BUILDKIT_NO_UPGRADE",
    blame: "backend",
    hint: "docker:// needs a Docker Engine 18.09 or newer; use unix:// or tcp:// for a buildkitd",
  });
}
