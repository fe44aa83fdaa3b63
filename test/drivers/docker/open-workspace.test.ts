import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";
import { judgeHolder } from "../../../src/drivers/docker/open-workspace.ts";
import { encodeLabels } from "../../../src/model/labels.ts";

const ours = { "sandkeep.upload-for": "abc" };
const S = 1000;

describe("who has the name of a sync's container", () => {
  test.each([
    ["somebody else's", { labels: {}, status: "created" }, 99 * S, 99 * S, "foreign"],
    ["somebody else's that runs", { labels: { a: "b" }, status: "running" }, 0, 0, "foreign"],
    ["one just made, seen by a long waiter", { labels: ours, status: "created" }, 31 * S, 1, "wait"],
    ["one that never began", { labels: ours, status: "created" }, 0, 31 * S, "clear"],
    ["one of which the engine tells no time", { labels: ours, status: "created" }, 31 * S, NaN, "wait"],
    ["one after the other without end", { labels: ours, status: "created" }, 36 * S, 1, "busy"],
    ["one that works", { labels: ours, status: "running" }, 1 * S, 99 * S, "wait"],
    ["one that works on", { labels: ours, status: "running" }, 6 * S, 99 * S, "busy"],
    ["one that is being removed", { labels: ours, status: "exited" }, 1 * S, 99 * S, "wait"],
    ["one that nobody removed", { labels: ours, status: "exited" }, 6 * S, 99 * S, "clear"],
    ["nobody any more", undefined, 6 * S, NaN, "wait"],
    ["nobody, without end", undefined, 36 * S, NaN, "busy"],
  ] as const)("%s", (_, holder, waitedMs, ageMs, expected) => {
    expect(judgeHolder(holder, { waitedMs, ageMs })).toBe(expected);
  });
});

describe("a workspace that is closed", () => {
  let folder: string;
  let server: Server;
  let held: Duplex | undefined;
  /** What the engine answers to the removals of the helper, one after the other. */
  let answers: { status: number; message: string }[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sandkeep-close-"));
    const labels = encodeLabels({
      fleet: "f",
      address: "agent/a",
      kind: "sandbox",
      role: "primary",
      name: "sk-f-agent-a",
      agent: "a",
      spec_hash: `v1:sha256:${"0".repeat(64)}`,
      spec: { kind: "sandbox", backend: "docker", values: {} },
      secrets: {},
      protect: false,
      owner: "tests",
      created_at: 1,
      candidate_until: 2,
    });
    const mount = { Type: "volume", Name: "sk-f-agent-a-workspace", Destination: "/workspace", RW: true };
    const inspected = {
      Id: "main",
      Name: "/main",
      Config: { Labels: labels },
      State: {},
      HostConfig: {},
      Mounts: [mount],
    };
    server = createServer((request, response) => {
      const asked = `${request.method} ${new URL(request.url ?? "", "http://engine").pathname.replace(/^\/v[\d.]+/, "")}`;
      const answer = (status: number, body: object): void =>
        void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      if (asked === "GET /containers/main/json") answer(200, inspected);
      else if (asked === "POST /containers/create") answer(201, { Id: "helper", Warnings: [] });
      else if (asked === "POST /containers/helper/start") answer(200, {});
      else if (asked === "DELETE /containers/helper") {
        const { status, message } = answers.shift() ?? { status: 404, message: "no such container" };
        answer(status, { message });
      } else answer(501, { message: asked });
    });
    server.on("upgrade", (_request, socket) => {
      held = socket;
      socket.on("error", () => undefined).resume();
      socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    });
    await new Promise<void>((up) => server.listen(join(folder, "engine.sock"), up));
  });
  afterEach(async () => {
    held?.destroy();
    server.closeAllConnections();
    await new Promise((down) => server.close(down));
    await rm(folder, { recursive: true, force: true });
  });

  async function openAndClose(): Promise<void> {
    await using driver = await dockerDriver.open(undefined, {
      stateDir: folder,
      env: { DOCKER_HOST: `unix://${join(folder, "engine.sock")}`, HOME: folder },
      now: () => Date.now(),
      randomId: () => "0",
    });
    const open = await driver.openWorkspace?.("main");
    await open?.[Symbol.asyncDispose]();
  }

  test("is closed however often the engine refuses while its container ends by itself", async () => {
    answers = [
      {
        status: 500,
        message:
          "cannot remove container helper as it could not be stopped: container state improper: stopped",
      },
      { status: 409, message: "removal of container helper is already in progress" },
    ];
    await openAndClose();
    expect(answers).toEqual([]);
  });

  test("says so where this client may not close it", async () => {
    answers = [{ status: 403, message: "forbidden" }];
    await expect(openAndClose()).rejects.toMatchObject({ kind: "denied" });
  });
});
