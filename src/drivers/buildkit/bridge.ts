/**
 * In: an endpoint. Out: a unix socket of this process that leads to it, which every client understands. What runs for a
 * client ends with the connection, and the connection ends with this process, however that ends.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream";
import { toError } from "../../errors.ts";

const MOST_LISTENERS = 32;

/** A connection to what the bridge leads to. */
type Dial = () => Promise<Duplex>;

export class Bridge implements AsyncDisposable {
  /** Of this process alone; also for what else a client needs. */
  readonly folder: string;
  readonly #server: Server;
  readonly #open: Set<Duplex>;
  /** Why the worker could not be reached, since a client only sees a closed connection. */
  readonly #failures: Error[];

  private constructor(folder: string, server: Server, open: Set<Duplex>, failures: Error[]) {
    this.folder = folder;
    this.#server = server;
    this.#open = open;
    this.#failures = failures;
  }

  static async open(dial: Dial): Promise<Bridge> {
    const folder = await mkdtemp(join(tmpdir(), "sandkeep-bk-"));
    const open = new Set<Duplex>();
    const failures: Error[] = [];
    const server = createServer((client) => {
      track(open, client);
      void lead(client, dial, open).catch((thrown: unknown) => {
        failures.push(toError(thrown));
        client.destroy();
      });
    });
    server.listen(join(folder, "worker.sock"));
    await once(server, "listening");
    return new Bridge(folder, server, open, failures);
  }

  get address(): string {
    return `unix://${join(this.folder, "worker.sock")}`;
  }

  get failure(): Error | undefined {
    return this.#failures.at(-1);
  }

  /** Whatever goes on over it ends. */
  cut(): void {
    for (const each of this.#open) each.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function lead(client: Socket, dial: Dial, open: Set<Duplex>): Promise<void> {
  const worker = await dial();
  if (client.destroyed) return void worker.destroy();
  track(open, worker);
  const end = (): void => {
    client.destroy();
    worker.destroy();
  };
  pipeline(client, worker, end);
  pipeline(worker, client, end);
}

function track(open: Set<Duplex>, each: Duplex): void {
  open.add(each);
  // Both directions watch both ends, which is more than Node takes for usual.
  each.setMaxListeners(MOST_LISTENERS);
  each.once("close", () => open.delete(each));
  each.on("error", () => undefined);
}
