import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";
import type { ExecResult } from "../../../src/drivers/driver.ts";
import { Text } from "../../contract/docker-kit.ts";

const unable = "OCI runtime exec failed: exec failed: unable to start container process:";
/** What engines of 20.10 and 29 said when a container was removed or killed as a command was to begin in it. */
const ENDED = [
  `${unable} error writing config to pipe: write init-p: broken pipe: unknown`,
  `${unable} error executing setns process: exit status 1: unknown`,
  `${unable} read init-p: connection reset by peer: unknown`,
  "OCI runtime exec failed: exec failed: unable to create new parent process: namespace path: lstat /proc/6652/ns/ipc: no such file or directory: unknown",
  "OCI runtime exec failed: exec failed: cannot exec in a stopped container: unknown",
];

describe("a command that the engine did not start", () => {
  let folder: string;
  let server: Server;
  let said: string;
  /** Of the container's first process; undefined when the container is gone. */
  let pid: number | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sandkeep-refused-"));
    server = createServer((request, response) => {
      const asked = `${request.method} ${new URL(request.url ?? "", "http://engine").pathname.replace(/^\/v[\d.]+/, "")}`;
      const answer = (status: number, body: object): void =>
        void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      if (asked === "POST /containers/main/exec") answer(201, { Id: "command" });
      else if (asked === "GET /exec/command/json") answer(200, { Running: false, ExitCode: 126 });
      else if (asked === "GET /containers/main/json" && pid === undefined) answer(404, { message: "none" });
      else if (asked === "GET /containers/main/json")
        answer(200, { Id: "main", Name: "/main", State: { Pid: pid }, Config: {}, HostConfig: {} });
      else answer(501, { message: asked });
    });
    server.on("upgrade", (_request, socket) => {
      const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
      header.writeUInt32BE(said.length, 4);
      socket.on("error", () => undefined);
      socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
      socket.end(Buffer.concat([header, Buffer.from(said)]));
    });
    await new Promise<void>((up) => server.listen(join(folder, "engine.sock"), up));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((down) => server.close(down));
    await rm(folder, { recursive: true, force: true });
  });

  async function run(): Promise<ExecResult & { stderr: string }> {
    await using driver = await dockerDriver.open(undefined, {
      stateDir: folder,
      env: { DOCKER_HOST: `unix://${join(folder, "engine.sock")}`, HOME: folder },
      now: () => Date.now(),
      randomId: () => "0",
    });
    const stderr = new Text();
    const command = { objectId: "main", argv: ["true"], env: {}, stdout: new Text(), stderr };
    const { result } = await driver.exec(command);
    return { ...(await result), stderr: stderr.text };
  }

  test.each(ENDED.flatMap((text) => [0, undefined].map((of) => [text, of] as const)))(
    "is lost with its container: %s",
    async (text, of) => {
      said = text;
      pid = of;
      await expect(run()).rejects.toMatchObject({ code: "DOCKER_EXEC_LOST", kind: "unreachable" });
    },
  );

  test.each([
    [`${unable} exec: "/etc/passwd": permission denied: unknown`, 126, "refused"],
    [`${unable} exec: "none": executable file not found in $PATH: unknown`, 127, undefined],
  ])("is refused, or not there, in one that runs on: %s", async (text, exitCode, because) => {
    said = text;
    pid = 1;
    expect(await run()).toEqual({ exitCode, because, stderr: `sandkeep: ${text}\n` });
  });
});
