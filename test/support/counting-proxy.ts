import { rm } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";

/** Stands before an engine's socket, passes everything on, and notes each request line. */
export interface CountingProxy extends AsyncDisposable {
  /** `GET /containers/json?…`, in order of arrival. */
  readonly requests: string[];
}

const REQUEST_LINE = /^(?:GET|HEAD|POST|PUT|DELETE) \S+(?= HTTP\/1\.1)/gm;

export async function countingProxy(path: string, target: string): Promise<CountingProxy> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const engine = connect(target);
    for (const socket of [client, engine]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => {
        client.destroy();
        engine.destroy();
      });
    }
    client.on("data", (chunk: Buffer) => {
      requests.push(...(chunk.toString("latin1").match(REQUEST_LINE) ?? []));
    });
    client.pipe(engine);
    engine.pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return {
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await rm(path, { force: true });
    },
  };
}
