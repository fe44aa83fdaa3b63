// What went wrong is told by the client's own words, and a connection that came to nothing is closed.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Dialer } from "../../../src/drivers/buildkit/dial.ts";
import { buildkitFailure, killedBy } from "../../../src/drivers/buildkit/errors.ts";

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
    [
      "failed to solve with frontend dockerfile.v0: unsupported frontend capability moby.buildkit.frontend.contexts",
      "BUILDKIT_NO_CONTEXTS",
    ],
  ])("%s", (said, code) => {
    const log = "curl: self-signed certificate, permission denied, connection refused, no space left";
    const failure = buildkitFailure("run the build", said, { log });
    expect(failure.code).toBe(code);
    expect(failure.message).toContain(log);
  });
});

describe("a command's own step that failed", () => {
  const name = '[run 5/5] RUN --mount=type=secret ["/bin/sh","-c",": 00ff\\nrest"]';
  it.each([
    [{ name, error: 'process "x" did not complete successfully: exit code: 137' }, { exitCode: 137 }],
    [
      { name: "", error: "executor failed running [/bin/sh -c : 00ff\nx]: exit code: 139" },
      { exitCode: 139 },
    ],
    [
      { name, error: 'ResourceExhausted: process "x" did not complete successfully: cannot allocate memory' },
      { exitCode: 137, because: "out-of-memory" },
    ],
    // That it cannot hand over what was written is no end of the command.
    [{ name, error: "process did not complete successfully: exit code: 1" }, undefined],
    [{ name: "[run 2/5] RUN setup", error: "did not complete successfully: exit code: 137" }, undefined],
    [undefined, undefined],
  ])("%j is %j", (failed, result) => {
    expect(killedBy(failed, "00ff")).toEqual(result);
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
      await using dialer = new Dialer({ kind: "docker", engine }, { env: {}, randomId: () => "0" });
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
