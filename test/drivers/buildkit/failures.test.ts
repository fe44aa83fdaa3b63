// What went wrong is told by the client's own words, and a connection that came to nothing is closed.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Dialer } from "../../../src/drivers/buildkit/dial.ts";
import { buildkitFailure } from "../../../src/drivers/buildkit/errors.ts";

describe("a failure", () => {
  it.each([
    [
      `[run 2/5] RUN ["/bin/sh","-c","check-tls"]: process "/bin/sh -c check-tls" did not complete successfully: exit code: 1`,
      "BUILDKIT_SETUP",
    ],
    ["executor failed running [/bin/sh -c connection refused]: exit code: 2", "BUILDKIT_SETUP"],
    ["the client ended with 1", "BUILDKIT_FAILED"],
    ["tls: certificate required", "BUILDKIT_TLS"],
    ["connect ECONNREFUSED /b.sock", "BUILDKIT_UNREACHABLE"],
  ])("%s", (said, code) => {
    const log = "curl: self-signed certificate, permission denied, connection refused, no space left";
    const failure = buildkitFailure("run the build", said, { log });
    expect(failure.code).toBe(code);
    expect(failure.message).toContain(log);
  });
});

describe("an engine that hands no connection over", () => {
  it.each([
    [
      "refuses",
      (socket: Socket) => void socket.write("HTTP/1.1 404 Not Found\r\n\r\n"),
      "BUILDKIT_NO_UPGRADE",
    ],
    ["ends its side", (socket: Socket) => void socket.end(), "BUILDKIT_UNREACHABLE"],
  ])("that %s keeps none open", async (_, answer, code) => {
    const dir = await mkdtemp(join(tmpdir(), "sandkeep-dial-"));
    const sockets: Socket[] = [];
    const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.once("data", () => answer(socket));
    });
    try {
      const path = join(dir, "engine.sock");
      server.listen(path);
      await once(server, "listening");
      const engine = { kind: "unix", socket: path } as const;
      await using dialer = new Dialer({ kind: "docker", engine }, {});
      await expect(dialer.dial()).rejects.toMatchObject({ code });
      const [socket] = sockets;
      if (socket === undefined) throw new Error("it was not dialed");
      if (!socket.readableEnded && !socket.destroyed) await once(socket.resume(), "end");
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});
