// buildctl is not to be had here: a stub stands for it and for its worker, with the worker's measured fault. It keeps each
// file that it is sent by the name of the `--local`, and takes a later one of equal path, size, time and mode for that one.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildkitDriver } from "../../../src/drivers/buildkit/index.ts";

const STUB = `#!${process.execPath}
const { execFileSync } = require("node:child_process");
const { appendFileSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync, existsSync } = require("node:fs");
const { join } = require("node:path");
const args = process.argv.slice(2);
if (args[0] === "--version") { console.log("buildctl github.com/moby/buildkit v0.32.0 stub"); process.exit(0); }
appendFileSync(join(__dirname, "calls"), JSON.stringify(args) + "\\n");
const given = (flag) => args.flatMap((each, nth) => (args[nth - 1] === flag ? [each] : []));
const locals = new Map(given("--local").map((each) => each.split("=")));
const name = given("--opt").find((each) => each.startsWith("context:ws=local:")).slice("context:ws=local:".length);
const sent = join(locals.get(name), "file.txt");
const { size, mtimeMs, mode } = statSync(sent);
const kept = join(__dirname, "kept", name, [size, mtimeMs, mode].join("-"));
if (!existsSync(kept)) { mkdirSync(join(kept, ".."), { recursive: true }); writeFileSync(kept, readFileSync(sent)); }
const out = mkdtempSync(join(__dirname, "out-"));
mkdirSync(join(out, ".sandkeep")); mkdirSync(join(out, "tree"));
const put = (path, content) => writeFileSync(join(out, path), content);
put(".sandkeep/before", "./file.txt\\0"); put(".sandkeep/stdout", readFileSync(kept)); put(".sandkeep/stderr", "");
put(".sandkeep/code", "0\\n"); put("tree/file.txt", readFileSync(kept));
process.stdout.write(execFileSync("tar", ["-c", "-C", out, ".sandkeep", "tree"]));
`;

describe("buildctl, as a stub with a worker's fault", () => {
  let dir = "";
  let workspace = "";
  let stub = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "sandkeep-stale-"));
    workspace = join(dir, "ws");
    stub = join(dir, "buildctl");
    await mkdir(workspace);
    await writeFile(stub, STUB, { mode: 0o755 });
  });
  afterAll(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));

  /** All that can be told apart by is equal each time. */
  async function write(content: string): Promise<void> {
    await writeFile(join(workspace, "file.txt"), content);
    await utimes(join(workspace, "file.txt"), 1_000_000, 1_000_000);
  }

  async function said(
    socket: string,
  ): Promise<{ readonly out: string; readonly brought: readonly string[] }> {
    const deps = {
      stateDir: join(dir, "state"),
      env: { PATH: process.env["PATH"], HOME: dir, TMPDIR: tmpdir() },
      now: Date.now,
      randomId: () => randomBytes(8).toString("hex"),
    };
    const host = { name: "w", buildkit: `unix://${socket}`, client: stub, labels: {} };
    await using driver = await buildkitDriver.open(host, deps);
    const stdout = new PassThrough();
    const out = text(stdout);
    const brought: string[] = [];
    const values = {
      workspace: { source: workspace, access: "rw", target: "/workspace" },
      buildkit: { image: "img:1", network: "none" },
    };
    const { result } = await driver.exec({
      objectId: "agent/a",
      build: {
        spec: { kind: "sandbox", backend: "buildkit", values },
        bringBack: async ({ changed }) => void brought.push(...changed.map(({ path }) => path)),
      },
      argv: ["cat", "file.txt"],
      env: {},
      stdout,
      stderr: new PassThrough().resume(),
    });
    expect((await result).exitCode).toBe(0);
    stdout.end();
    return { out: await out, brought };
  }

  it("cannot take a file of another workspace for this one's, since no two runs use one name", async () => {
    await using worker = await answering(join(dir, "worker.sock"));
    await write("first\n");
    expect(await said(worker.socket)).toEqual({ out: "first\n", brought: [] });
    await write("other\n");
    expect(await said(worker.socket)).toEqual({ out: "other\n", brought: [] });

    const calls = (await readFile(join(dir, "calls"), "utf8")).trim().split("\n");
    const names = calls.flatMap((line) => [...line.matchAll(/"([^"=]+)=\//g)].map(([, name]) => name));
    expect(names).toHaveLength(4);
    expect(new Set(names).size).toBe(4);

    // The fault is there: under one name the stub does mistake the one for the other.
    const fixed = ["--local", `same=${workspace}`, "--opt", "context:ws=local:same"];
    const plainly = () => execFileSync("tar", ["-xO", "tree/file.txt"], { input: execFileSync(stub, fixed) });
    await write("first\n");
    expect(plainly().toString()).toBe("first\n");
    await write("other\n");
    expect(plainly().toString()).toBe("first\n");
  });
});

/** Answers whatever it is asked with an empty message, as a worker does that has nothing to tell. */
async function answering(socket: string): Promise<AsyncDisposable & { readonly socket: string }> {
  const server = createServer();
  server.on("stream", (stream) => {
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.end(Buffer.alloc(5));
  });
  server.listen(socket);
  await once(server, "listening");
  return {
    socket,
    [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}
