import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Endpoint } from "../../../src/drivers/docker/endpoint.ts";
import type { Exchange } from "../../../src/drivers/docker/transport.ts";
import { Transport } from "../../../src/drivers/docker/transport.ts";
import { makeCertificates } from "../../support/certificates.ts";

describe("a connection over the network", () => {
  let folder: string;
  let server: Server | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sandkeep-transport-"));
    await makeCertificates(folder);
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    await closed;
    server = undefined;
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const pem = (name: string): Promise<string> => readFile(join(folder, name), "utf8");

  async function listen(made: Server): Promise<number> {
    server = made;
    made.listen(0, "127.0.0.1");
    await once(made, "listening");
    return (made.address() as AddressInfo).port;
  }

  /** Asks once, hears the beginning of the answer, and hangs up. */
  async function ask(endpoint: Endpoint, use: Exchange["use"]): Promise<void> {
    await using transport = new Transport("docker", { env: {}, randomId: () => "0" });
    const over = new AbortController();
    const wanted = { method: "GET", path: "/events", headers: {}, use, signal: over.signal } as const;
    const answer = await transport.exchange(endpoint, wanted);
    if (answer.kind === "message") answer.body.on("error", () => undefined).destroy();
    if (answer.kind === "connection") answer.socket.destroy();
    over.abort();
  }

  it.each(["stream", "takeover"] as const)("that lasts (%s) is asked whether it still does", async (use) => {
    const plain = createServer((_, response) => response.write("{}\n"));
    plain.on("upgrade", (_, socket) => {
      socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
      socket.on("error", () => undefined).on("end", () => socket.end());
    });
    const port = await listen(plain);
    const asked = vi.spyOn(Socket.prototype, "setKeepAlive");
    await ask({ kind: "tcp", host: "127.0.0.1", port }, use);
    expect(asked.mock.calls).toEqual([[true, 15_000]]);
  });

  it("is asked inside TLS as well", async () => {
    const [ca, cert, key] = await Promise.all(["ca.pem", "cert.pem", "key.pem"].map(pem));
    const port = await listen(createTlsServer({ cert, key }, (_, response) => response.write("{}\n")));
    const asked = vi.spyOn(Socket.prototype, "setKeepAlive");
    const tls = { ...(ca === undefined ? {} : { ca }), server_name: "engine.test", verify: true };
    await ask({ kind: "tcp", host: "127.0.0.1", port, tls }, "stream");
    expect(asked.mock.calls).toEqual([[true, 15_000]]);
  });
});
