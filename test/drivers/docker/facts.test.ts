import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dockerDriver } from "../../../src/drivers/docker/index.ts";

// What an engine says of itself is asked once for a look and the apply that follows it at once.

const S = 1000;
const host = undefined;
let folder: string;
let server: Server;
let asked: number;
let status: number;
let now: number;
/** Milliseconds until the engine answers. */
let takes: number;

beforeEach(async () => {
  [asked, status, now, takes] = [0, 200, 1_000_000, 5];
  folder = await mkdtemp(join(tmpdir(), "sandkeep-facts-"));
  server = createServer((request, response) => {
    const info = request.url?.endsWith("/info") === true;
    if (info) asked += 1;
    now += takes;
    response.writeHead(info ? status : 200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ OSType: "linux", SystemTime: new Date(now).toISOString() }));
  });
  await new Promise<void>((resolve) => server.listen(join(folder, "engine.sock"), resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

const deps = () => ({
  stateDir: folder,
  env: { DOCKER_HOST: `unix://${join(folder, "engine.sock")}` },
  now: () => now,
  randomId: () => "0123456789abcdef",
});

/** How often the engine was asked by a driver that was opened `later` milliseconds after a reader's look. */
async function askedAfter(later: number, told = true): Promise<number> {
  const reader = await dockerDriver.openReader(host, deps());
  await reader.probe();
  await reader[Symbol.asyncDispose]();
  [asked, status] = [0, 200];
  now += later;
  await using driver = await dockerDriver.open(host, deps(), told ? reader : undefined);
  expect((await driver.probe()).status).not.toBe("unavailable");
  return asked;
}

test("a driver goes by what the reader before it was told", async () => {
  expect(await askedAfter(1 * S)).toBe(0);
});

test.each([[11 * S], [-11 * S]])("not when the clock is %i ms further", async (later) => {
  expect(await askedAfter(later)).toBe(1);
});

test("nor of a reader that it is not given, or that had no answer", async () => {
  expect(await askedAfter(0, false)).toBe(1);
  status = 500;
  expect(await askedAfter(0)).toBe(1);
});

test("nor of an answer that took so long that the engine's clock is known from it only roughly", async () => {
  takes = 2 * S;
  expect(await askedAfter(0)).toBe(1);
});
