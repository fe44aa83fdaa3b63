import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";

/** A way to a unix socket that looks like one to another machine, whose engine sees no folder of this one. */
export class FarWay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: string) {
    // Half open, as the engine's own socket is: the end of what is sent is not the end of what is answered.
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const engine = connect({ path: target, allowHalfOpen: true });
      this.#join(client, engine);
      this.#join(engine, client);
    });
  }

  static async open(target: string): Promise<FarWay> {
    const way = new FarWay(target);
    way.#server.listen(0, "127.0.0.1");
    await once(way.#server, "listening");
    return way;
  }

  /** `tcp://127.0.0.1:PORT`. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `tcp://127.0.0.1:${port}`;
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("error", () => from.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      // What ended in good order may still have to arrive; what broke off breaks off there as well.
      if (!to.writableEnded) to.destroy();
    });
    from.pipe(to);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
